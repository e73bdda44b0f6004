// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// refreshDependents has the list of dependents brought up to date.
func (c *Controller) refreshDependents(ctx context.Context, pkg *pmv1alpha1.Package) error {
	if c.dependents == nil {
		return nil
	}
	if err := c.dependents.Refresh(ctx, pkg.Namespace, pkg.Name); err != nil {
		return fmt.Errorf("listing the dependents of package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	return nil
}
