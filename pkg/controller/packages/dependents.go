// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"time"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// dependentsDelay is how long a package waits for more dependents to come or go
// before its list of them is written again. Thousands that come at once then cost a
// write a second.
const dependentsDelay = time.Second

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
