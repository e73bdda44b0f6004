// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import "oaas.io/oaas/pkg/apis/oaas/v1alpha1"

// NextNodes is the number of nodes to run next, on the way from current to target.
// A grid that does not run yet starts at its full size, since it holds nothing.
// After that, a grid that agrees on writes changes by one node at a time, and only
// while every node is ready, or all but the one that goes, which the caller counts as
// ready then: each change makes its groups elect and copy, and two at once, or one on
// top of a failure, can leave a group without a majority. Other shards have no
// majority to lose, and change at once.
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
