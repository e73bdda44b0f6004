// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// builtInNames are the templates that the program brings.
var builtInNames = []string{"daemonset", "deployment", "job", "knative", "statefulset"}

// firstPod is the pod of the first function.
func firstPod(t *testing.T, name string, change ...func(*v1alpha1.DeploymentRecord)) corev1.PodTemplateSpec {
	t.Helper()
	in := input(t, record(change...), name)
	return newFunction(&in, &in.Record.Spec.FunctionContainers[0]).pod()
}

// TestPodsKnowNothingOfOtherServices: with a few thousand Services in a namespace, the
// variables that tell of them exceed what Linux passes to a program.
func TestPodsKnowNothingOfOtherServices(t *testing.T) {
	for _, name := range builtInNames {
		if ptr.Deref(firstPod(t, name).Spec.EnableServiceLinks, true) {
			t.Errorf("%s: each Service of the namespace adds variables to the pod", name)
		}
	}
}

// TestSizeRollsNoPods: the number of replicas is not a part of the pod, so that a
// change of it restarts nothing.
func TestSizeRollsNoPods(t *testing.T) {
	sized := func(least, most int32) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) {
			r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: least, MaxReplicas: most}
		}
	}
	for _, name := range builtInNames {
		if !equality.Semantic.DeepEqual(firstPod(t, name, sized(1, 1)), firstPod(t, name, sized(3, 5))) {
			t.Errorf("%s: three replicas have another pod than one", name)
		}
	}
}
