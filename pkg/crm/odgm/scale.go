// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import "oaas.io/oaas/pkg/apis/oaas/v1alpha1"

// NextNodes is the number of nodes to run next, on the way from current to target.
// A grid that does not run yet starts at its full size, since it holds nothing.
// After that, a grid that agrees on writes changes by one node at a time, and only
// while every node is ready: each change makes its groups elect and copy, and two
// at once, or one on top of a failure, can leave a group without a majority. Other
// shards have no majority to lose, and change at once.
func NextNodes(current, ready, target int32, shard v1alpha1.ShardType) int32 {
	switch {
	case current <= 0 || shard != v1alpha1.ShardRaft:
		return target
	case current == target || ready < current:
		return current
	case current < target:
		return current + 1
	default:
		return current - 1
	}
}

// PlanNext is Plan for a grid that may run already, as the record's status shows it:
// in mode Cluster the grid has the number of nodes that NextNodes allows. The ready
// nodes of the status have to be those that know their present members, as package
// probe counts them; a pod that is ready may still be the one from before the last
// step.
func PlanNext(in Input, last *v1alpha1.ODGMClusterStatus) (*Grid, error) {
	in.Nodes = 0
	grid, err := Plan(in)
	if err != nil || grid == nil || grid.Mode != v1alpha1.ODGMCluster || last == nil || last.Mode != v1alpha1.ODGMCluster {
		return grid, err
	}
	in.Nodes = NextNodes(last.Nodes, last.ReadyNodes, grid.Target, grid.strictest())
	if in.Nodes == grid.Nodes {
		return grid, nil
	}
	return Plan(in)
}

// strictest is raft where any collection of the grid agrees on writes.
func (g *Grid) strictest() v1alpha1.ShardType {
	shard := v1alpha1.ShardNone
	for _, c := range g.Collections {
		if c.ShardType == v1alpha1.ShardRaft {
			return c.ShardType
		}
		shard = c.ShardType
	}
	return shard
}
