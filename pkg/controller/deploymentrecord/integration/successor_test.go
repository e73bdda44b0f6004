// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

const templateKnative = "knative"

var knativeKind = schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}

// withKnative renders the template of that name as a Knative Service that is called
// as the function's Service is in other templates.
func withKnative() *templates {
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		if rendering.Template != templateKnative {
			return nil
		}
		key := record.Spec.FunctionContainers[0].FunctionKey
		service := object(record, "serving.knative.dev/v1", "Service", rendering.Functions[0].Name,
			map[string]any{v1alpha1.LabelFunction: names.LabelValue(key)}, map[string]any{"spec": map[string]any{}}, v1alpha1.RoleWorkload)
		ref := &render.Ref{GroupVersionKind: knativeKind, Name: rendering.Functions[0].Name}
		rendering.Objects = []render.Object{service}
		rendering.Functions[0].Workload, rendering.Functions[0].Endpoint = ref, ref
		return nil
	})
	return r
}

// actKnative does for a while what Knative does: it makes a Service of the name of
// each Knative Service unless somebody has it, and tells whether it could.
func actKnative(ctx context.Context, c client.Client, namespace string) {
	_ = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(knativeKind)
		_ = c.List(ctx, list, client.InNamespace(namespace))
		for i := range list.Items {
			item := &list.Items[i]
			if item.GetDeletionTimestamp() != nil {
				continue
			}
			own := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{
					Name: item.GetName(), Namespace: namespace, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(item, knativeKind)},
				},
				Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "gateway.example"},
			}
			_ = c.Create(ctx, own)
			ready := "False"
			if c.Get(ctx, client.ObjectKeyFromObject(own), own) == nil && metav1.IsControlledBy(own, item) {
				ready = "True"
			}
			_ = unstructured.SetNestedField(item.Object, []any{map[string]any{"type": "Ready", "status": ready, "reason": "NotOwned", "message": "no name"}}, "status", "conditions")
			_ = unstructured.SetNestedField(item.Object, item.GetGeneration(), "status", "observedGeneration")
			_ = unstructured.SetNestedField(item.Object, "http://echo.example", "status", "url")
			_ = c.Status().Update(ctx, item)
		}
		return false, nil
	})
}

func TestTemplatesThatNeedTheSameNameFollowEachOther(t *testing.T) {
	c := newClient(t)
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "services.serving.knative.dev"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: knativeKind.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "services", Kind: "Service", ListKind: "ServiceList", ShortNames: []string{"ksvc"}},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}},
			}},
		},
	}
	if err := c.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), definition) })
	_, _, record := begin(t, withKnative())
	go actKnative(t.Context(), c, record.Namespace)
	waitFor(t, c, record, "the record runs", running)

	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = templateKnative })
	now := waitFor(t, c, record, "the record runs on Knative", running)
	if url := now.Status.FunctionContainerStatus[0].URL; url != "http://echo.example" {
		t.Errorf("url = %s, want the one that Knative tells", url)
	}
	if err := c.Get(t.Context(), workloadOf(record), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment is still there: %v", err)
	}

	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = templateDeployment })
	now = waitFor(t, c, record, "the record runs without Knative again", running)
	service := &corev1.Service{}
	if err := c.Get(t.Context(), workloadOf(record), service); err != nil || !metav1.IsControlledBy(service, now) {
		t.Errorf("Service = %v, %v; want one of the record's own", service.ObjectMeta, err)
	}
	left := &unstructured.Unstructured{}
	left.SetGroupVersionKind(knativeKind)
	if err := c.Get(t.Context(), workloadOf(record), left); !apierrors.IsNotFound(err) {
		t.Error(errors.Join(errors.New("the Knative Service is still there"), err))
	}
}
