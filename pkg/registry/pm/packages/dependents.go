// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm"
)

const (
	// listedDependents bounds status.dependents.
	listedDependents = 100
	// listedFunctions bounds the functions that each of them names.
	listedFunctions = 10
)

// Dependents keeps status.dependents and status.dependentCount of packages, which
// tell people who depends on a package. Nothing is refused by them.
type Dependents interface {
	// Refresh makes the list of one package tell what the watch cache knows. It
	// writes only where something differs, so it may be called for every package at
	// every turn. A package that is gone is no error.
	Refresh(ctx context.Context, namespace, name string) error
}

var _ Dependents = (*edges)(nil)

// Refresh implements Dependents. It also marks a package that was stored before
// packages were marked, and has dependents.
func (e *edges) Refresh(ctx context.Context, namespace, name string) error {
	p, err := e.cached(ctx, namespace, name)
	if err != nil || p == nil {
		return err
	}
	dependents, err := e.dependents(ctx, namespace, name, asCached)
	if err != nil {
		return err
	}
	now := metav1.NewTime(e.clock.Now().Truncate(time.Second))
	refresh := func(p *pm.Package) {
		p.Status.Dependents = listOf(dependents, p.Status.Dependents, now)
		p.Status.DependentCount = int32(len(dependents))
		if len(dependents) > 0 {
			markDependedOn(p)
		}
	}
	refreshed := p.DeepCopy()
	if refresh(refreshed); equality.Semantic.DeepEqual(p, refreshed) {
		return nil
	}
	err = e.change(ctx, namespace, name, func(p *pm.Package) error {
		refresh(p)
		return nil
	})
	if err != nil && !storage.IsNotFound(err) {
		return fmt.Errorf("list the dependents of package %q: %w", name, err)
	}
	return nil
}

// listOf are the first dependents by name. Those that were listed before keep the
// time since when they are.
func listOf(dependents []dependent, before []pm.PackageDependent, now metav1.Time) []pm.PackageDependent {
	if len(dependents) == 0 {
		return nil
	}
	since := make(map[string]metav1.Time, len(before))
	for _, entry := range before {
		since[entry.Name] = entry.Since
	}
	first := dependents[:min(len(dependents), listedDependents)]
	list := make([]pm.PackageDependent, 0, len(first))
	for _, d := range first {
		entry := pm.PackageDependent{
			Name: d.name, Version: d.versions, Since: now,
			Functions: d.functions[:min(len(d.functions), listedFunctions)], FunctionCount: int32(len(d.functions)),
		}
		if known, found := since[d.name]; found {
			entry.Since = known
		}
		list = append(list, entry)
	}
	return list
}

// dependent is a package that depends on another one, and what it needs of it.
type dependent struct {
	name string
	need
}

// namesOf keeps the order.
func namesOf(dependents []dependent) []string {
	names := make([]string, 0, len(dependents))
	for _, d := range dependents {
		names = append(names, d.name)
	}
	return names
}

func sortByName(dependents []dependent) {
	slices.SortFunc(dependents, func(a, b dependent) int { return strings.Compare(a.name, b.name) })
}

// dependedOn is true for a package that others may depend on. One for which it is
// false has no dependents, as long as it stays as it is in etcd. A list of
// dependents is enough, on a package that was stored before packages were marked.
func dependedOn(p *pm.Package) bool {
	return p.Annotations[pm.PackageDependedOnAnnotation] != "" || len(p.Status.Dependents) > 0
}

func markDependedOn(p *pm.Package) {
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[pm.PackageDependedOnAnnotation] = "true"
}

// keepOwn puts back what only the server writes: who depends on the package, and
// that somebody may.
func keepOwn(updated, stored *pm.Package) {
	updated.Status.Dependents = stored.Status.Dependents
	updated.Status.DependentCount = stored.Status.DependentCount
	if stored.Annotations[pm.PackageDependedOnAnnotation] != "" {
		markDependedOn(updated)
	} else {
		delete(updated.Annotations, pm.PackageDependedOnAnnotation)
	}
}
