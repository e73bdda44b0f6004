// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"slices"
	"time"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// staleAfter is how old an entry of the list of dependents must be before its
// package counts as one that never came: the entry is written first, and the
// request that writes both may still be under way.
const staleAfter = 3 * time.Minute

// repairDependents has the list of dependents mended when it looks wrong, and
// tells when to look again.
func (c *Controller) repairDependents(ctx context.Context, pkg *pmv1alpha1.Package) (time.Duration, error) {
	if c.dependents == nil {
		return 0, nil
	}
	names := make([]string, 0)
	for _, dependent := range c.findPackages(byDependency, pkg.Namespace+"/"+pkg.Name) {
		names = append(names, dependent.Name)
	}
	wrong, after := inspect(pkg.Status.Dependents, names, c.clock.Now())
	if !wrong {
		return after, nil
	}
	if err := c.dependents.Repair(ctx, pkg.Namespace, pkg.Name); err != nil {
		return 0, fmt.Errorf("mending the dependents of package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	return staleAfter, nil
}

// inspect compares the entries of a list of dependents with the packages that
// depend. wrong is true for an entry that nobody stands behind for long, and for
// a package that has no entry; after is when a young entry gets old.
func inspect(entries []pmv1alpha1.PackageDependent, dependents []string, now time.Time) (wrong bool, after time.Duration) {
	listed := make([]string, 0, len(entries))
	for _, entry := range entries {
		listed = append(listed, entry.Name)
		if slices.Contains(dependents, entry.Name) {
			continue
		}
		left := staleAfter - now.Sub(entry.Since.Time)
		if left <= 0 {
			return true, 0
		}
		after = sooner(after, left)
	}
	for _, name := range dependents {
		if !slices.Contains(listed, name) {
			return true, 0
		}
	}
	return false, after
}
