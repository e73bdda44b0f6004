// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"slices"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

func gridInput(in Input, functions []*function) odgm.Input {
	input := odgm.Input{
		Record:           in.Record,
		Environment:      in.Environment.Spec,
		Mode:             in.Template.Spec.ODGM.Mode,
		RequireSpread:    in.Environment.Defaults.ODGMAntiAffinity,
		ManagerNamespace: in.ManagerNamespace,
	}
	for _, f := range functions {
		input.Functions = append(input.Functions, odgm.Function{
			Key: f.container.FunctionKey, Name: f.name, URL: f.url(), Port: f.port(), Replicas: f.size.Replicas,
		})
	}
	return input
}

// planGrid plans the data grid of the record, nil where it has none, and tells the
// functions about it. A grid that agrees on writes changes its size one step at a
// time: what the status says of the last step decides about the next.
func planGrid(in Input, functions []*function) (*odgm.Grid, error) {
	input := gridInput(in, functions)
	grid, err := odgm.Plan(input)
	if err != nil || grid == nil {
		return nil, err
	}
	if grid.Mode == v1alpha1.ODGMSidecar {
		if step(in.Record, functions, grid) {
			grid, err = odgm.Plan(gridInput(in, functions))
		}
	} else if before := in.Record.Status.ODGMClusterStatus; before != nil && before.Mode == grid.Mode {
		ready := before.ReadyNodes
		if grid.Target < before.Nodes && onlyBroken(before, greatest(before.Members)) {
			ready = before.Nodes
		}
		if input.Nodes = odgm.NextNodes(before.Nodes, ready, grid.Target, shardOf(grid)); input.Nodes != grid.Nodes {
			grid, err = odgm.Plan(input)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, f := range functions {
		f.grid = grid
		if sidecar, ok := grid.Sidecar(f.container.FunctionKey); ok {
			f.sidecar = sidecar
		}
	}
	return grid, nil
}

// shardOf is the strictest way in which the grid keeps copies.
func shardOf(grid *odgm.Grid) v1alpha1.ShardType {
	shard := v1alpha1.ShardNone
	for _, collection := range grid.Collections {
		if collection.ShardType == v1alpha1.ShardRaft {
			return v1alpha1.ShardRaft
		}
		shard = collection.ShardType
	}
	return shard
}

// step holds back the replicas of functions that have a node of the grid beside
// each: the first whose number changes goes one step, the others stay.
func step(record *v1alpha1.DeploymentRecord, functions []*function, grid *odgm.Grid) bool {
	shard := shardOf(grid)
	before := record.Status.ODGMClusterStatus
	if before == nil || before.Mode != v1alpha1.ODGMSidecar || shard != v1alpha1.ShardRaft {
		return false
	}
	running := map[string]int32{}
	for _, status := range record.Status.FunctionContainerStatus {
		running[status.FunctionKey] = status.Replicas
	}
	changed, moved := false, before.ReadyNodes < before.Nodes
	for _, f := range functions {
		current, target := running[f.container.FunctionKey], f.size.Replicas
		if current <= 0 || target <= 0 || current == target {
			continue
		}
		next := current
		if !moved || (target < current && onlyBroken(before, lastOf(grid, f, current))) {
			next, moved = odgm.NextNodes(current, current, target, shard), true
		}
		if next != target {
			f.warnings = append(f.warnings, fmt.Sprintf("function %q: goes from %d to %d replicas one at a time, for the sake of the data grid", f.container.FunctionKey, current, target))
			f.size.Replicas, changed = next, true
		}
	}
	return changed
}

// onlyBroken tells that a node, and no other, does not serve. A change that takes
// it away need not wait for it: a grid that was to grow where there is no room would
// never find back. The others wait for that node before they are restarted with the
// new members, so they are outdated and serve.
func onlyBroken(before *v1alpha1.ODGMClusterStatus, node int64) bool {
	serving := before.ReadyNodes
	for _, member := range before.Members {
		if member.Outdated {
			serving++
		}
	}
	return serving == before.Nodes-1 && slices.ContainsFunc(before.Members, func(m v1alpha1.ODGMMember) bool {
		return m.ID == node && !m.Ready && !m.Outdated
	})
}

// greatest is the id of the node that goes first when a grid of its own shrinks.
func greatest(members []v1alpha1.ODGMMember) int64 {
	var id int64
	for i := range members {
		id = max(id, members[i].ID)
	}
	return id
}

// lastOf is the id of the node that goes first when a function has fewer replicas.
func lastOf(grid *odgm.Grid, f *function, replicas int32) int64 {
	sidecar, ok := grid.Sidecar(f.container.FunctionKey)
	if !ok {
		return 0
	}
	return int64(sidecar.OrdinalStart) + int64(replicas) - 1
}
