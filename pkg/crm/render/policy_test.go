// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// TestPoliciesOpenEveryPort holds the pods of each template against the policies
// that pick them: a port that none of them opens reaches nobody, and a data grid
// whose nodes cannot talk to each other never serves.
func TestPoliciesOpenEveryPort(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.DeploymentRecord){
		"without state": full, "with state": func(r *v1alpha1.DeploymentRecord) { full(r); stateful(r) },
	} {
		for _, builtIn := range []string{"deployment", "statefulset", "daemonset"} {
			t.Run(builtIn+" "+name, func(t *testing.T) {
				rendering := rendered(t, input(t, record(change), builtIn, production))
				policies := typed[networkingv1.NetworkPolicy](t, rendering, "NetworkPolicy")
				pods := podTemplates(t, rendering)
				if len(policies) == 0 || len(pods) == 0 {
					t.Fatalf("%d policies for %d kinds of pods", len(policies), len(pods))
				}
				for _, pod := range pods {
					for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
						for _, port := range container.Ports {
							if !opened(t, policies, pod, port.Name) {
								t.Errorf("container %s: no policy lets anybody reach port %s", container.Name, port.Name)
							}
						}
					}
				}
			})
		}
	}
}

// opened tells whether pods of the same record may reach a port.
func opened(t *testing.T, policies []networkingv1.NetworkPolicy, pod corev1.PodTemplateSpec, port string) bool {
	t.Helper()
	for _, policy := range policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) > 0 && slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.String() == port }) {
				return true
			}
		}
	}
	return false
}

// podTemplates are the templates of all pods that workloads of a rendering make.
func podTemplates(t *testing.T, rendering *Rendering) []corev1.PodTemplateSpec {
	t.Helper()
	var pods []corev1.PodTemplateSpec
	for _, workload := range typed[appsv1.Deployment](t, rendering, "Deployment") {
		pods = append(pods, workload.Spec.Template)
	}
	for _, workload := range typed[appsv1.StatefulSet](t, rendering, "StatefulSet") {
		pods = append(pods, workload.Spec.Template)
	}
	for _, workload := range typed[appsv1.DaemonSet](t, rendering, "DaemonSet") {
		pods = append(pods, workload.Spec.Template)
	}
	return pods
}

// typed are the objects of one kind.
func typed[T any](t *testing.T, rendering *Rendering, kind string) []T {
	t.Helper()
	var found []T
	for _, object := range rendering.Objects {
		if object.Intent.GetKind() != kind {
			continue
		}
		var value T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Intent.Object, &value); err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
	}
	return found
}
