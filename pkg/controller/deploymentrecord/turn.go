// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"
	"slices"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

// turnOf tells what the change of a workload has to wait for; nil when it may go
// ahead. Where nodes of a data grid run beside functions, a rollout restarts nodes:
// two at a time would take the majority away from those that agree on writes. A
// workload that is not whole has its own change all the same, since that may be what
// helps.
func (r *Reconciler) turnOf(p *pass, object render.Object, live *children.Object) *fault {
	grid := p.rendering.Grid
	if grid == nil || grid.Mode != v1alpha1.ODGMSidecar || !isWorkload(object) || !live.Health.Settled {
		return nil
	}
	for _, other := range p.rendering.Objects {
		if !isWorkload(other) || other.Name == object.Name {
			continue
		}
		found := r.children.Get(other.GroupVersionKind, p.nameOf(other))
		if found != nil && (!found.Health.Settled || found.Leaving()) {
			return &fault{
				reason: ReasonReplacing, again: slowRetry,
				err: fmt.Errorf("%s %s changes once the nodes of the data grid in %s %s are ready", live.Kind.Kind, live.Name, found.Kind.Kind, found.Name),
			}
		}
	}
	return nil
}

func isWorkload(object render.Object) bool {
	return !object.Grid && slices.Contains(object.Roles, v1alpha1.RoleWorkload)
}
