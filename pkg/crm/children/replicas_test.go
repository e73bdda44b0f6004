// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestWhoDecidesOnReplicas(t *testing.T) {
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: operation, Subresource: subresource,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	const applied, replicas = metav1.ManagedFieldsOperationApply, `{"f:spec":{"f:replicas":{}}}`
	ours := entry(v1alpha1.FieldManagerReconciler, applied, "", replicas)
	kept := entry(v1alpha1.FieldManagerReplicas, applied, "", replicas)
	for name, test := range map[string]struct {
		entries          []metav1.ManagedFieldsEntry
		owns, handedOver bool
	}{
		"nobody does":                           {nil, false, false},
		"the reconciler does":                   {[]metav1.ManagedFieldsEntry{ours}, true, false},
		"the reconciler applied something else": {[]metav1.ManagedFieldsEntry{entry(v1alpha1.FieldManagerReconciler, applied, "", `{"f:spec":{"f:template":{}}}`)}, false, false},
		"an autoscaler does":                    {[]metav1.ManagedFieldsEntry{entry("autoscaler", metav1.ManagedFieldsOperationUpdate, "scale", replicas)}, false, false},
		"the number is kept for somebody":       {[]metav1.ManagedFieldsEntry{kept}, false, true},
		"a hand-over is half done":              {[]metav1.ManagedFieldsEntry{ours, kept}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			live := &unstructured.Unstructured{Object: map[string]any{}}
			live.SetManagedFields(test.entries)
			object := Digest(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, live)
			if object.OwnsReplicas() != test.owns || object.ReplicasHandedOver() != test.handedOver {
				t.Errorf("owned: %v, handed over: %v; want %v, %v", object.OwnsReplicas(), object.ReplicasHandedOver(), test.owns, test.handedOver)
			}
		})
	}
}
