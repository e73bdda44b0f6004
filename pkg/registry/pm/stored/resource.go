// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package stored is what the resources that are kept in etcd share: one store
// each, a strategy that keeps spec and status apart, and table columns as data.
// A resource describes itself in a Resource; everything else follows from it.
package stored

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"oaas.io/oaas/pkg/apis/pm/resources"
)

// Object is a pointer to an internal API type.
type Object interface {
	runtime.Object
	metav1.Object
}

// Resource describes a resource of type T with the spec S and the status U. All
// functions are required unless they say otherwise, and must not change the
// objects that they are given unless they say so.
type Resource[T Object, S, U any] struct {
	// Resource is what discovery tells, and what selectors may name.
	resources.Resource
	// Versions are the served versions, for the fields that each writer may not
	// own.
	Versions []schema.GroupVersion

	// New makes an empty object.
	New func() T
	// NewList makes an empty list.
	NewList func() runtime.Object
	// Spec points at the object's spec: what users write.
	Spec func(T) *S
	// Status points at the object's status: what controllers write.
	Status func(T) *U
	// FieldValues are the values of the fields that selectors may name, beside the
	// object's name and namespace.
	FieldValues func(T) fields.Set
	// Columns are the table's columns between the name and the age.
	Columns []Column[T]

	// Prepare changes an object whose spec was written before it is validated.
	// Optional.
	Prepare func(context.Context, T)
	// Keep puts back what the server itself writes and no client may: neither users
	// nor controllers. For a new object, stored is an empty one. Optional.
	Keep func(updated, stored T)
	// KeptFields are the fields that Keep puts back, which server-side apply then
	// lets nobody own.
	KeptFields []fieldpath.Path
	// Indexed are the fields, of those that selectors may name, by which the watch
	// cache finds objects without looking at all of them.
	Indexed []string
	// Indexes are further values by which the watch cache finds objects, for what the
	// server itself looks up. They are named as fields are, but no selector of a
	// client may name them. Optional.
	Indexes map[string]func(T) []string
	// Validate returns everything that is wrong with a new object.
	Validate func(T) field.ErrorList
	// ValidateUpdate returns everything that is wrong with a changed object.
	ValidateUpdate func(updated, old T) field.ErrorList
	// ValidateStatus returns everything that is wrong with a changed status.
	ValidateStatus func(updated, old T) field.ErrorList
	// Warnings tell a writer what is allowed but likely not meant.
	Warnings func(T) []string
}
