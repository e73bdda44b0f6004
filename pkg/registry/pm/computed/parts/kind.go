// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package parts computes resources from the parts of packages: every class and
// every function of a package is an object of its own, to be read only.
//
// Lists and single objects are read from the store of packages, with all that it
// promises. Changes come from one watch of the packages for all kinds of parts.
package parts

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/registry/pm/computed"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// Kind is a kind of parts: objects of type T, each made from a definition D in a
// package. All fields are required. The functions must not change what they are
// given; what they return may share it.
type Kind[T computed.Object, D any] struct {
	// Resource is what discovery tells, and what selectors may name.
	resources.Resource
	// Definitions are a package's definitions, in any order.
	Definitions func(*pm.Package) []D
	// Key tells a package's definitions apart.
	Key func(*D) string
	// Make makes the object of a definition.
	Make func(metav1.ObjectMeta, *pm.Package, *D) T
	// New makes an empty object.
	New func() T
	// NewList makes a list of objects.
	NewList func([]T) runtime.Object
	// FieldValues are the values of the fields that selectors may name, beside the
	// object's name and namespace.
	FieldValues func(T) fields.Set
	// Columns are the table's columns between the name and the age.
	Columns []stored.Column[T]
}

// uidSpace is what the UIDs of parts are derived in. It must never change: the
// UID of an object is for ever.
var uidSpace = uuid.MustParse("5f1b6f0e-0d6c-5b58-9f52-3a8f0f2b7f11")

// maker makes the objects of one package.
type maker[T computed.Object, D any] struct {
	kind  *Kind[T, D]
	owner *pm.Package
	// common is what all objects of the package have.
	common metav1.ObjectMeta
}

func (k *Kind[T, D]) of(p *pm.Package) maker[T, D] {
	labels := make(map[string]string, len(p.Labels)+1)
	maps.Copy(labels, p.Labels)
	labels[pm.PackageLabel] = p.Name
	return maker[T, D]{kind: k, owner: p, common: metav1.ObjectMeta{
		Namespace:         p.Namespace,
		CreationTimestamp: p.CreationTimestamp,
		Labels:            labels,
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "Package", Name: p.Name, UID: p.UID,
		}},
	}}
}

// make makes the object of a definition, with a resource version.
func (m maker[T, D]) make(definition *D, resourceVersion string) T {
	key := m.kind.Key(definition)
	object := m.common
	object.Name = m.owner.Name + "." + key
	object.UID = types.UID(uuid.NewSHA1(uidSpace, []byte(string(m.owner.UID)+"/"+m.kind.Kind+"/"+key)).String())
	object.ResourceVersion = resourceVersion
	return m.kind.Make(object, m.owner, definition)
}

// sorted are a package's definitions by key; nil for no package.
func (k *Kind[T, D]) sorted(p *pm.Package) []*D {
	if p == nil {
		return nil
	}
	all := k.Definitions(p)
	definitions := make([]*D, len(all))
	for i := range all {
		definitions[i] = &all[i]
	}
	slices.SortFunc(definitions, func(a, b *D) int { return strings.Compare(k.Key(a), k.Key(b)) })
	return definitions
}

// diff returns what a write of a package changed: nil stands for a package that
// was not there before, or is not any more. It returns false for a write that
// changed more than can be counted.
func (k *Kind[T, D]) diff(write uint64, previous, current *pm.Package) ([]computed.Event, bool) {
	if unchanged(previous, current) {
		return nil, true
	}
	d := differ[T, D]{write: write}
	olds, news := k.sorted(previous), k.sorted(current)
	if previous != nil {
		d.was = k.of(previous)
		d.wasVersion = previous.ResourceVersion
		if before, err := writeOf(previous); err == nil {
			d.wasVersion = computed.FormatRevision(join(before, whole))
		}
	}
	if current != nil {
		d.is = k.of(current)
	}
	all := previous == nil || current == nil || !sameForAll(previous, current)
	for len(olds) > 0 || len(news) > 0 {
		var order int
		switch {
		case len(news) == 0:
			order = -1
		case len(olds) == 0:
			order = 1
		default:
			order = strings.Compare(k.Key(olds[0]), k.Key(news[0]))
		}
		switch {
		case order < 0:
			d.add(watch.Deleted, olds[0], nil)
			olds = olds[1:]
		case order > 0:
			d.add(watch.Added, nil, news[0])
			news = news[1:]
		default:
			if all || !apiequality.Semantic.DeepEqual(olds[0], news[0]) {
				d.add(watch.Modified, olds[0], news[0])
			}
			olds, news = olds[1:], news[1:]
		}
	}
	return d.events, len(d.events) < whole
}

// differ collects the events of a write.
type differ[T computed.Object, D any] struct {
	write      uint64
	was, is    maker[T, D]
	wasVersion string
	events     []computed.Event
}

func (d *differ[T, D]) add(change watch.EventType, previous, current *D) {
	// Places beyond the last would make versions of the next write. They are made
	// for nobody, because the caller drops such a write.
	event := computed.Event{Type: change, Revision: join(d.write, min(len(d.events), whole))}
	version := computed.FormatRevision(event.Revision)
	if previous != nil {
		event.Previous = d.was.make(previous, d.wasVersion)
	}
	if current != nil {
		event.Object = d.is.make(current, version)
	} else {
		event.Object = d.was.make(previous, version)
	}
	d.events = append(d.events, event)
}

// unchanged is true for a write that changes no part. The generation counts the
// changes of the spec, so that a large package need not be compared when only its
// status was written.
func unchanged(previous, current *pm.Package) bool {
	return previous != nil && current != nil && previous.UID == current.UID &&
		previous.Generation == current.Generation && sameForAll(previous, current)
}

// sameForAll is true when the parts of a package are to be compared one by one:
// nothing changed that all of them show.
func sameForAll(previous, current *pm.Package) bool {
	return previous.UID == current.UID &&
		previous.Spec.Version == current.Spec.Version &&
		previous.Spec.Disabled == current.Spec.Disabled &&
		apiequality.Semantic.DeepEqual(previous.Labels, current.Labels)
}
