// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/pm"
)

// Dependents keeps status.dependents of packages true. Every write of a package
// keeps the lists of those that it depends on; what is left over is what a server
// left behind that stopped half way, and what was stored before there were lists.
type Dependents interface {
	// Repair makes the lists true as far as one package is concerned: its own
	// list, and its entries in the lists of others. It reads the watch cache, and
	// etcd only where something differs, so it may be called for every package at
	// every turn. A package that is gone is no error.
	//
	// An announcement that nobody followed up counts for two minutes; until then
	// Repair leaves it alone.
	Repair(ctx context.Context, namespace, name string) error
}

var _ Dependents = (*edges)(nil)

// Repair implements Dependents.
func (e *edges) Repair(ctx context.Context, namespace, name string) error {
	p, err := e.cached(ctx, namespace, name)
	if err != nil || p == nil {
		return err
	}
	needs := needsOf(p)
	for _, dependency := range slices.Sorted(maps.Keys(needs)) {
		target, err := e.cached(ctx, namespace, dependency)
		if err != nil {
			return err
		}
		if target == nil || listed(target, name, needs[dependency]) {
			continue
		}
		if err := e.settle(ctx, types.NamespacedName{Namespace: namespace, Name: dependency}, []string{name}, ""); err != nil {
			return fmt.Errorf("list package %q as a dependent of %q: %w", name, dependency, err)
		}
	}

	doubtful, err := e.doubtful(ctx, p)
	if err != nil || len(doubtful) == 0 {
		return err
	}
	if err := e.settle(ctx, types.NamespacedName{Namespace: namespace, Name: name}, doubtful, ""); err != nil {
		return fmt.Errorf("settle the dependents of package %q: %w", name, err)
	}
	return nil
}

// doubtful are the listed dependents of a package that the watch cache does not
// confirm, and those of reservations that count no longer.
func (e *edges) doubtful(ctx context.Context, p *pm.Package) ([]string, error) {
	var names []string
	for _, entry := range p.Status.Dependents {
		dependent, err := e.cached(ctx, p.Namespace, entry.Name)
		if err != nil {
			return nil, err
		}
		if needed, found := needsOf(dependent)[p.Name]; !found || !needed.equal(needOf(entry)) {
			names = append(names, entry.Name)
		}
	}
	for _, reserved := range reservationsOf(p) {
		if !reserved.counts(e.clock.Now()) && !slices.Contains(names, reserved.Package) {
			names = append(names, reserved.Package)
		}
	}
	return names, nil
}

func listed(target *pm.Package, dependent string, needed need) bool {
	index := dependentIndex(target, dependent)
	return index >= 0 && needOf(target.Status.Dependents[index]).equal(needed)
}

func dependentIndex(target *pm.Package, dependent string) int {
	return slices.IndexFunc(target.Status.Dependents, func(d pm.PackageDependent) bool { return d.Name == dependent })
}
