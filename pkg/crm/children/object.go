// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/applyset"
)

// Object is the digest of a live object. It is shared: never change one.
type Object struct {
	// ObjectMeta holds identity, version, deletion, the controlling owner, the
	// labels of OaaS and the hash of what was applied; nothing else.
	metav1.ObjectMeta
	// Kind is what the object is.
	Kind schema.GroupVersionKind
	// Health is how the object is doing.
	Health Health

	// applied are the fields that the reconciler applied and nobody changed since,
	// as the API server keeps them.
	applied []byte
	// handedOver tells that v1alpha1.FieldManagerReplicas owns something of it.
	handedOver bool
	// proven is the hash of the intent that the object was last found to hold.
	proven atomic.Pointer[string]
}

// digest makes an Object of what the API server sent.
func digest(gvk schema.GroupVersionKind, full metav1.Object) *Object {
	object := &Object{Kind: gvk}
	object.Name, object.Namespace, object.UID = full.GetName(), full.GetNamespace(), full.GetUID()
	object.ResourceVersion, object.Generation = full.GetResourceVersion(), full.GetGeneration()
	object.DeletionTimestamp = full.GetDeletionTimestamp()
	for _, key := range []string{v1alpha1.LabelDeploymentID, v1alpha1.LabelManagedBy, v1alpha1.LabelFunction, v1alpha1.LabelTemplate, applyset.LabelPartOf} {
		if value, ok := full.GetLabels()[key]; ok {
			if object.Labels == nil {
				object.Labels = map[string]string{}
			}
			object.Labels[key] = value
		}
	}
	if hash, ok := full.GetAnnotations()[v1alpha1.AnnotationSpecHash]; ok {
		object.Annotations = map[string]string{v1alpha1.AnnotationSpecHash: hash}
	}
	if owner := metav1.GetControllerOfNoCopy(full); owner != nil {
		object.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, entry := range full.GetManagedFields() {
		if entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		switch entry.Manager {
		case v1alpha1.FieldManagerReconciler:
			object.applied = bytes.Clone(entry.FieldsV1.GetRawBytes())
		case v1alpha1.FieldManagerReplicas:
			object.handedOver = true
		}
	}
	if slices.Contains(metadataOnly, gvk.GroupKind()) {
		object.Health = Health{Settled: true, Available: true}
	} else if u, ok := full.(*unstructured.Unstructured); ok {
		object.Health = healthOf(u)
	}
	return object
}

// transform makes digests of what an informer receives.
func transform(gvk schema.GroupVersionKind) cache.TransformFunc {
	return func(received any) (any, error) {
		switch received := received.(type) {
		case *Object:
			return received, nil
		case metav1.Object:
			return digest(gvk, received), nil
		case cache.DeletedFinalStateUnknown:
			return received, nil
		default:
			return nil, fmt.Errorf("%T is no object of kind %s", received, gvk.Kind)
		}
	}
}

// Record returns the name of the record that the object was made for, in the
// object's namespace; empty when it cannot be told.
func (o *Object) Record() string {
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil && owner.Kind == v1alpha1.KindDeploymentRecord {
		return owner.Name
	}
	return o.Labels[v1alpha1.LabelDeploymentID]
}

// Key identifies the object among the children of all records.
func (o *Object) Key() Key {
	return Key{Kind: o.Kind.GroupKind(), NamespacedName: types.NamespacedName{Namespace: o.Namespace, Name: o.Name}}
}

// Leaving objects are on their way out.
func (o *Object) Leaving() bool { return o.DeletionTimestamp != nil }

// Key identifies a child, whatever version of its kind is spoken.
type Key struct {
	Kind schema.GroupKind
	types.NamespacedName
}

// KeyOf is the key of an intent.
func KeyOf(intent *unstructured.Unstructured) Key {
	return Key{
		Kind:           intent.GroupVersionKind().GroupKind(),
		NamespacedName: types.NamespacedName{Namespace: intent.GetNamespace(), Name: intent.GetName()},
	}
}

// sameToTheRecord tells whether two versions of an object make no difference to
// its record, as when others write annotations of theirs.
func sameToTheRecord(a, b *Object) bool {
	return a.UID == b.UID && a.Leaving() == b.Leaving() && a.Health == b.Health && bytes.Equal(a.applied, b.applied) && a.handedOver == b.handedOver &&
		a.Record() == b.Record() && ownerUID(a) == ownerUID(b)
}

func ownerUID(o *Object) types.UID {
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
		return owner.UID
	}
	return ""
}
