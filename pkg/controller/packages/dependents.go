// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"slices"
	"time"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/cached"
)

// lookAgain is when a package is looked at again that names a dependent that does
// not depend, or not yet, or on which somebody reserved: longer than any request
// takes that announces a package and then stores it, and longer than a reservation
// counts.
const lookAgain = 3 * time.Minute

// repairDependents has the list of dependents mended, and tells when to look
// again.
func (c *Controller) repairDependents(ctx context.Context, pkg *pmv1alpha1.Package) (time.Duration, error) {
	if c.dependents == nil {
		return 0, nil
	}
	if err := c.dependents.Repair(ctx, pkg.Namespace, pkg.Name); err != nil {
		return 0, fmt.Errorf("mending the dependents of package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	names := make([]string, 0, len(pkg.Status.Dependents))
	for _, dependent := range cached.Find[*pmv1alpha1.Package](c.packageIndex, byDependency, pkg.Namespace+"/"+pkg.Name) {
		names = append(names, dependent.Name)
	}
	if reserved(pkg) || unconfirmed(pkg.Status.Dependents, names) {
		return lookAgain, nil
	}
	return 0, nil
}

// reserved is true while a write is under way that needs the package, and after one
// whose server died.
func reserved(pkg *pmv1alpha1.Package) bool {
	return pkg.Annotations[pmv1alpha1.PackageReservationsAnnotation] != ""
}

// unconfirmed is true while a list of dependents and the packages that depend do
// not name the same packages.
func unconfirmed(entries []pmv1alpha1.PackageDependent, dependents []string) bool {
	listed := make([]string, 0, len(entries))
	for _, entry := range entries {
		listed = append(listed, entry.Name)
	}
	slices.Sort(listed)
	slices.Sort(dependents)
	return !slices.Equal(listed, dependents)
}
