// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/test/knative"
)

// patience bounds every wait.
const patience = 60 * time.Second

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	// An unknown field is an error, not a warning that nobody reads.
	return client.WithFieldValidation(api, metav1.FieldValidationStrict)
}

func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	}); err != nil {
		t.Fatalf("waiting until %s: %v; at last: %v", what, err, last)
	}
}

// installKnative defines the Knative Service as Knative does, and waits until the API
// server serves it.
func installKnative(t *testing.T, api client.Client) {
	t.Helper()
	definition, err := knative.Definition(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Knative Services are served", func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: definition.Spec.Group, Version: "v1", Kind: "ServiceList"})
		return api.List(ctx, list)
	})
}

// newRestrictedNamespace makes a namespace where only pods run that keep the Pod
// Security Standard "restricted", and waits until it takes pods at all.
func newRestrictedNamespace(t *testing.T, api client.Client, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := api.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	plain := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "plain", Namespace: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "plain", Image: "plain:1"}}},
	}
	// Before, pods are refused for the lack of a service account.
	eventually(t, "a pod without any security context is refused for that", func(ctx context.Context) error {
		switch err := api.Create(ctx, plain.DeepCopy(), client.DryRunAll); {
		case err == nil:
			return errors.New("it was taken")
		case strings.Contains(err.Error(), `violates PodSecurity "restricted:latest"`):
			return nil
		default:
			return err
		}
	})
}

// podOf is a pod as the workload's controller would make it; nil for what is no
// workload.
func podOf(t *testing.T, workload *unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	content, found, err := unstructured.NestedMap(workload.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return nil
	}
	template := &corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, template); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Name, pod.Namespace = "made-by-hand", workload.GetNamespace()
	switch workload.GetKind() {
	case "StatefulSet":
		set := &appsv1.StatefulSet{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(workload.Object, set); err != nil {
			t.Fatal(err)
		}
		for i := range set.Spec.VolumeClaimTemplates {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: set.Spec.VolumeClaimTemplates[i].Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "made-by-hand"},
			}})
		}
	case "Service":
		// Knative fills in the name and the ports of the probes.
		container := &pod.Spec.Containers[0]
		port := intstr.FromInt32(container.Ports[0].ContainerPort)
		for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
			switch {
			case probe == nil:
			case probe.HTTPGet != nil:
				probe.HTTPGet.Port = port
			case probe.TCPSocket != nil:
				probe.TCPSocket.Port = port
			}
		}
	}
	return pod
}
