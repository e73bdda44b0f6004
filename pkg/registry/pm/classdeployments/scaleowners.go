// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// The scale has one field where the class deployment has two. Who owns one of the
// two owns the scale's, and who sets the scale's owns both from then on, so that
// server-side apply finds conflicts and releases fields across the two.

// serverManager owns what the server computes of a scale.
const serverManager = "oaas-apiserver"

// scaledPaths are the fields of a class deployment that its scale stands for.
func scaledPaths() *fieldpath.Set {
	return fieldpath.NewSet(
		fieldpath.MakePathOrDie("spec", "replicas", "min"),
		fieldpath.MakePathOrDie("spec", "replicas", "max"),
	)
}

func scalePath() fieldpath.Path { return fieldpath.MakePathOrDie("spec", "replicas") }

// owner names an entry among managed fields.
type owner struct {
	manager     string
	operation   metav1.ManagedFieldsOperationType
	subresource string
}

func ownerOf(entry metav1.ManagedFieldsEntry) owner {
	return owner{entry.Manager, entry.Operation, entry.Subresource}
}

// scaleEntries are the managed fields of the scale of a class deployment with the
// given ones.
func scaleEntries(parent []metav1.ManagedFieldsEntry) ([]metav1.ManagedFieldsEntry, error) {
	var entries []metav1.ManagedFieldsEntry
	for _, entry := range parent {
		owned, err := fieldsOf(entry)
		if err != nil {
			return nil, err
		}
		if owned.Intersection(scaledPaths()).Empty() {
			continue
		}
		entry.APIVersion = autoscalingv1.SchemeGroupVersion.String()
		if entry.FieldsV1, err = encode(fieldpath.NewSet(scalePath())); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if len(entries) > 0 {
		return entries, nil
	}
	// Of an object that nobody owns anything of, Kubernetes does not track who
	// writes it, and the first to scale would own nothing. What the server itself
	// computes is the server's; the entry is not stored.
	computed, err := encode(fieldpath.NewSet(fieldpath.MakePathOrDie("status", "replicas")))
	if err != nil {
		return nil, err
	}
	return []metav1.ManagedFieldsEntry{{
		Manager: serverManager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "status",
		APIVersion: autoscalingv1.SchemeGroupVersion.String(), FieldsType: "FieldsV1", FieldsV1: computed,
	}}, nil
}

// parentEntries are the managed fields of a class deployment after its scale was
// written: who owns the scale owns what it stands for, and nobody else does.
func parentEntries(parent, scale []metav1.ManagedFieldsEntry) ([]metav1.ManagedFieldsEntry, error) {
	owners := map[owner]bool{}
	for _, entry := range scale {
		owned, err := fieldsOf(entry)
		if err != nil {
			return nil, err
		}
		owners[ownerOf(entry)] = owned.Has(scalePath())
	}
	var entries []metav1.ManagedFieldsEntry
	known := map[owner]bool{}
	for _, entry := range parent {
		owned, err := fieldsOf(entry)
		if err != nil {
			return nil, err
		}
		// Fields of another version's entry stand for nothing here.
		if entry.APIVersion != v1alpha1.SchemeGroupVersion.String() {
			entries = append(entries, entry)
			continue
		}
		changed := owned.Difference(scaledPaths())
		if owners[ownerOf(entry)] {
			changed = owned.Union(scaledPaths())
		}
		known[ownerOf(entry)] = true
		if changed.Empty() {
			continue
		}
		if !changed.Equals(owned) {
			if entry.FieldsV1, err = encode(changed); err != nil {
				return nil, err
			}
		}
		entries = append(entries, entry)
	}
	for _, entry := range scale {
		if !owners[ownerOf(entry)] || known[ownerOf(entry)] {
			continue
		}
		fields, err := encode(scaledPaths())
		if err != nil {
			return nil, err
		}
		entry.APIVersion, entry.FieldsV1 = v1alpha1.SchemeGroupVersion.String(), fields
		entries = append(entries, entry)
	}
	return entries, nil
}

func fieldsOf(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	owned := fieldpath.NewSet()
	if entry.FieldsV1 == nil {
		return owned, nil
	}
	if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return nil, fmt.Errorf("reading the managed fields of %s: %w", entry.Manager, err)
	}
	return owned, nil
}

func encode(owned *fieldpath.Set) (*metav1.FieldsV1, error) {
	raw, err := owned.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("writing managed fields: %w", err)
	}
	return metav1.NewFieldsV1(string(raw)), nil
}
