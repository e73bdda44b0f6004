// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/hack/internal/manifests"
	"oaas.io/oaas/hack/localcluster/binaries"
)

func TestRender(t *testing.T) {
	const (
		namespaced = "Namespace/oaas-system"
		definition = "CustomResourceDefinition/deploymentrecords.oaas.io"
	)
	for folder, want := range map[string]struct{ has, lacks []string }{
		manifests.Hub: {has: []string{
			namespaced, definition, "StatefulSet/oaas-apiserver", "Service/oaas-apiserver", "APIService/v1alpha1.pm.oaas.io",
			"Deployment/oaas-crm", "Service/oaas-crm", "ClusterRole/oaas-apiserver", "ClusterRole/oaas-crm", "ClusterRole/oaas-edit",
		}},
		manifests.Member: {
			has:   []string{namespaced, definition, "Deployment/oaas-crm", "Service/oaas-crm", "ClusterRole/oaas-crm", "ClusterRole/oaas-crm-view"},
			lacks: []string{"StatefulSet/oaas-apiserver", "APIService/v1alpha1.pm.oaas.io"},
		},
	} {
		t.Run(folder, func(t *testing.T) {
			var names []string
			for _, object := range render(t, folder) {
				names = append(names, object.GetKind()+"/"+object.GetName())
			}
			if names[0] != namespaced || slices.Index(names, definition) > slices.Index(names, "Deployment/oaas-crm") {
				t.Errorf("the order is %v, want what others need first", names)
			}
			for _, name := range want.has {
				if !slices.Contains(names, name) {
					t.Errorf("%s is missing", name)
				}
			}
			for _, name := range want.lacks {
				if slices.Contains(names, name) {
					t.Errorf("%s does not belong there", name)
				}
			}
		})
	}
}

// The cluster enforces the whole of the restricted standard; these are the fields
// that must be set for it.
func TestEveryPodIsRestricted(t *testing.T) {
	found := 0
	for _, object := range render(t, manifests.Hub) {
		template, ok := podTemplate(t, object)
		if !ok {
			continue
		}
		found++
		name := object.GetKind() + " " + object.GetName()
		pod := template.Spec.SecurityContext
		if pod == nil || !ptr.Deref(pod.RunAsNonRoot, false) || pod.SeccompProfile == nil || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s has the security context %+v, want one that is not root's and filters system calls", name, pod)
		}
		if template.Spec.HostNetwork || template.Spec.HostPID || template.Spec.HostIPC {
			t.Errorf("%s shares namespaces with its node", name)
		}
		for _, container := range template.Spec.Containers {
			c := container.SecurityContext
			if c == nil || ptr.Deref(c.AllowPrivilegeEscalation, true) || !ptr.Deref(c.ReadOnlyRootFilesystem, false) ||
				c.Capabilities == nil || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(c.Capabilities.Add) > 0 {
				t.Errorf("%s has the container security context %+v, want one without any privilege", name, c)
			}
			if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s does not say what it needs and at most takes", name)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d objects make pods, want the two programs", found)
	}
}

// podTemplate returns the pods that an object makes, if it does.
func podTemplate(t *testing.T, object *unstructured.Unstructured) (corev1.PodTemplateSpec, bool) {
	t.Helper()
	if kind := object.GetKind(); kind != "StatefulSet" && kind != "Deployment" {
		return corev1.PodTemplateSpec{}, false
	}
	// Both have it at the same place.
	var workload appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &workload); err != nil {
		t.Fatal(err)
	}
	return workload.Spec.Template, true
}

func render(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	root, err := binaries.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifests.Render(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
