// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

// gridServes tells whether functions that wait for the data grid need wait no
// longer.
func (r *Reconciler) gridServes(p *pass) bool {
	if p.rendering.Grid == nil || !p.rendering.Grid.FunctionsWait() {
		return true
	}
	for _, object := range p.rendering.Objects {
		if !object.Grid {
			continue
		}
		live := r.children.Get(object.Intent.GroupVersionKind(), client.ObjectKeyFromObject(object.Intent))
		if live == nil || !live.Health.Available {
			return false
		}
	}
	return true
}

// gridOf sums up the data grid of a record. Without one there is no status, and a
// verdict only where a grid was to be expected.
func gridOf(seen *observation, workloads []workload, before *v1alpha1.ODGMClusterStatus) (*v1alpha1.ODGMClusterStatus, *verdict) {
	grid := seen.rendering.Grid
	if grid == nil {
		if seen.rendering.Absence == odgm.AbsentNotConfigured {
			return nil, &verdict{v1.ConditionFalse, ReasonNotConfigured, seen.rendering.Absence.Message()}
		}
		return nil, nil
	}
	status := grid.Status()
	if before != nil {
		// What nodes told when they were asked stays until they are asked again.
		status.Members, status.LastProbeTime = before.Members, before.LastProbeTime
	}
	var message string
	if grid.Mode == v1alpha1.ODGMSidecar {
		for _, w := range workloads {
			status.ReadyNodes += w.ready
		}
	} else {
		for _, c := range seen.children {
			if c.Grid && c.live != nil && c.live.Health.Counted {
				status.ReadyNodes += c.live.Health.Ready
				message = c.live.Health.Message
			}
		}
	}
	if found, ok := seen.troubles[troubleOfGrid]; ok {
		message = found.text()
	}
	if status.ReadyNodes >= status.Nodes {
		return &status, &verdict{v1.ConditionTrue, ReasonServing, "Every node of the data grid is ready."}
	}
	status.Message = limit(message)
	told := fmt.Sprintf("%d of %d nodes of the data grid are ready.", status.ReadyNodes, status.Nodes)
	if message != "" {
		told += " " + message
	}
	return &status, &verdict{v1.ConditionFalse, ReasonStarting, told}
}
