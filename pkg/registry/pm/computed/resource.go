// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package computed serves resources that are stored nowhere: their objects follow
// from something else, such as packages or the records of clusters. It gives
// them what clients expect of every resource of Kubernetes: get, list in pages,
// watch with resumption, selectors and tables.
//
// A resource brings a Source, which tells what there is, and a Window, into which
// it publishes what changes. The window of a resource and the lists of its source
// count in the same resource versions.
package computed

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// Object is a pointer to an internal API type.
type Object = stored.Object

// Query is what a client asks of a list.
type Query struct {
	// Namespace that the objects must be in; "" for all.
	Namespace string
	// Predicate that the objects must match. Its limit and token are not set.
	Predicate storage.SelectionPredicate
	// ResourceVersion is what the client asked for, or "", and well-formed.
	ResourceVersion string
	// Match says how the resource version binds the answer.
	Match metav1.ResourceVersionMatch
	// Limit is the largest number of objects in the answer; 0 for all.
	Limit int64
	// Continue is the token of the page before, or "".
	Continue string
}

// Matches tells whether the query selects an object.
func (q *Query) Matches(object runtime.Object) (bool, error) {
	if q.Namespace != "" {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return false, fmt.Errorf("read the namespace of %T: %w", object, err)
		}
		if accessor.GetNamespace() != q.Namespace {
			return false, nil
		}
	}
	return q.Predicate.Matches(object)
}

// Page is the answer to a query.
type Page[T Object] struct {
	// Items in the order of the list. Nobody changes them: they may share what they
	// point at with others.
	Items []T
	// Revision of the list: events with a greater one are not in it yet.
	Revision uint64
	// Continue is the token of the next page; "" for the last.
	Continue string
	// Remaining is the number of objects after this page, nil when not known.
	Remaining *int64
}

// Source tells what objects there are.
type Source[T Object] interface {
	// List returns the objects that match a query. Without a resource version it is
	// everything that was written before the call.
	List(ctx context.Context, query Query) (Page[T], error)
	// Get returns an object, or a NotFound error; at least as new as a resource
	// version that is not "".
	Get(ctx context.Context, namespace, name, resourceVersion string) (T, error)
}

// Resource describes a computed resource. All fields are required.
type Resource[T Object] struct {
	// Resource is what discovery tells, and what selectors may name.
	resources.Resource
	// New makes an empty object.
	New func() T
	// NewList makes a list of objects.
	NewList func(items []T) runtime.Object
	// FieldValues are the values of the fields that selectors may name, beside the
	// object's name and namespace.
	FieldValues func(T) fields.Set
	// Columns are the table's columns between the name and the age.
	Columns []stored.Column[T]
	// Source tells what objects there are.
	Source Source[T]
	// Window tells what changes.
	Window *Window
	// Destroy ends what feeds the window; it may be called more than once.
	Destroy func()
}
