// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/odgm/probe"
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
		live := r.children.Get(object.GroupVersionKind, p.nameOf(object))
		if live == nil || !live.Health.Available {
			return false
		}
	}
	return true
}

// askGrid finds out what the nodes of the record's data grid say, and tells when to
// come again, should that take a pass.
func (r *Reconciler) askGrid(p *pass, seen *observation, pods []corev1.Pod) reconcile.Result {
	if r.grids == nil {
		return reconcile.Result{}
	}
	grid := p.rendering.Grid
	if grid == nil {
		r.forgetGrid(nameOf(p.record))
		return reconcile.Result{}
	}
	asked := probe.Grid{Record: nameOf(p.record), Wanted: grid.Status(), Members: grid.Members, Last: p.record.Status.ODGMClusterStatus}
	asked.Revision, asked.Changing = revisionOf(grid, seen.children)
	selector := labels.SelectorFromSet(grid.PodSelector())
	for i := range pods {
		if !selector.Matches(labels.Set(pods[i].Labels)) {
			continue
		}
		if node, ok := probe.NodeOf(&pods[i], odgm.ContainerName, grid.Port); ok {
			asked.Nodes = append(asked.Nodes, node)
		}
	}
	status, again := r.grids.Probe(asked)
	seen.grid = &status
	return reconcile.Result{RequeueAfter: again}
}

// forgetGrid ends asking for a grid that is no more, or that is not known.
func (r *Reconciler) forgetGrid(record types.NamespacedName) {
	if r.grids != nil {
		r.grids.Forget(record)
	}
}

// revisionOf names the objects that run the nodes of a grid as they are after the
// pass has changed them, and tells whether such a change is still on its way to the
// pods. A step to another size is taken on answers to the last change only, never on
// what was said before it.
func revisionOf(grid *odgm.Grid, children []child) (revision string, changing bool) {
	var runs []string
	for _, c := range children {
		if !c.runsNodes(grid) {
			continue
		}
		if c.live == nil {
			runs, changing = append(runs, c.Name), true
			continue
		}
		runs = append(runs, fmt.Sprintf("%s/%s/%d", c.Name, c.live.UID, c.live.Generation))
		changing = changing || !c.live.Health.Settled
	}
	return strings.Join(runs, " "), changing
}

// runsNodes tells whether the pods of a child are nodes of the grid: those of its
// StatefulSet, or those of every function that a node is beside.
func (c child) runsNodes(grid *odgm.Grid) bool {
	if grid.Mode == v1alpha1.ODGMSidecar {
		return isWorkload(c.Object)
	}
	return c.Grid && c.Kind == "StatefulSet"
}

// gridOf sums up the data grid of a record. Without one there is no status, and a
// verdict only where a grid was to be expected.
func gridOf(seen *observation, workloads []workload) (*v1alpha1.ODGMClusterStatus, *verdict) {
	grid := seen.rendering.Grid
	if grid == nil {
		if seen.rendering.Absence == odgm.AbsentNotConfigured {
			return nil, &verdict{metav1.ConditionFalse, ReasonNotConfigured, seen.rendering.Absence.Message()}
		}
		return nil, nil
	}
	status := grid.Status()
	var message string
	switch {
	case seen.grid != nil:
		status, message = *seen.grid, seen.grid.Message
	case grid.Mode == v1alpha1.ODGMSidecar:
		for _, w := range workloads {
			status.ReadyNodes += w.ready
		}
	default:
		for _, c := range seen.children {
			if c.Grid && c.live != nil && c.live.Health.Counted {
				message = c.live.Health.Message
				status.ReadyNodes += c.live.Health.Ready
				if !c.live.Health.Settled {
					// One of them may still be of the revision before.
					status.ReadyNodes = min(status.ReadyNodes, status.Nodes-1)
				}
			}
		}
	}
	if found, ok := seen.troubles[troubleOfGrid]; ok {
		message = found.text()
	}
	if status.ReadyNodes >= status.Nodes && status.Message == "" {
		return &status, &verdict{metav1.ConditionTrue, ReasonServing, "Every node of the data grid is ready."}
	}
	status.Message = limit(message)
	told := fmt.Sprintf("%d of %d nodes of the data grid are ready.", status.ReadyNodes, status.Nodes)
	if message != "" {
		told += " " + message
	}
	return &status, &verdict{metav1.ConditionFalse, ReasonStarting, told}
}
