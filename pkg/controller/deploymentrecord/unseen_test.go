// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// onlyOne is an API server with one object, which the reconciler applied.
type onlyOne struct {
	client.Reader
	applied *unstructured.Unstructured
}

func (s onlyOne) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	into.SetName(s.applied.GetName())
	into.SetLabels(s.applied.GetLabels())
	into.SetAnnotations(s.applied.GetAnnotations())
	into.SetOwnerReferences(s.applied.GetOwnerReferences())
	into.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: v1alpha1.FieldManagerReconciler, Operation: metav1.ManagedFieldsOperationApply,
		FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{},"f:spec":{}}`),
	}})
	return nil
}

// With a broken watch, an object that was made is not seen for as long as it lasts.
func TestWhatNoWatchTellsOfIsLookedAtLessAndLess(t *testing.T) {
	record := newRecord()
	intent := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	intent.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	intent.SetName("echo-say")
	intent.SetAnnotations(map[string]string{v1alpha1.AnnotationSpecHash: "h"})
	intent.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(record, v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.KindDeploymentRecord))})
	object := render.ObjectOf(intent)
	p := &pass{record: record, rendering: &render.Rendering{Template: "deployment", Objects: []render.Object{object}}}
	r := &Reconciler{children: childrenOf{}, live: onlyOne{applied: p.complete(object)}}
	got := r.ensure(t.Context(), p, 0)
	if got.fault == nil || !got.fault.passing || got.fault.again != 0 {
		t.Errorf("fault = %+v, want one that passes and leaves the next look to the backoff", got.fault)
	}
}
