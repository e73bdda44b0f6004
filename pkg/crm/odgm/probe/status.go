// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// maxMembers bounds the members in a status. Those that do not serve come first.
	maxMembers = 64
	// maxNamed bounds the nodes that the message names.
	maxNamed = 3
)

// status is the grid as planned with what its nodes said.
func (p *Prober) status(grid Grid, a answer) v1alpha1.ODGMClusterStatus {
	s := *grid.Wanted.DeepCopy()
	// Members of functions that are all stopped are not wanted to run.
	if s.Nodes > 0 {
		for _, member := range a.members {
			if member.Ready {
				s.ReadyNodes++
			}
		}
		s.Members = listed(a.members)
		s.Message = message(a.members)
	}
	// The time moves with the state, never on its own.
	if grid.Last != nil {
		s.LastProbeTime = grid.Last.LastProbeTime
	}
	if grid.Last == nil || grid.Last.LastProbeTime == nil || !equality.Semantic.DeepEqual(s, *grid.Last) {
		s.LastProbeTime = new(metav1.NewTime(a.at).Rfc3339Copy())
	}
	return s
}

// listed are the members that a status shows, by id.
func listed(members []v1alpha1.ODGMMember) []v1alpha1.ODGMMember {
	shown := slices.Clone(members)
	if len(shown) > maxMembers {
		slices.SortStableFunc(shown, func(a, b v1alpha1.ODGMMember) int {
			switch {
			case a.Ready == b.Ready:
				return 0
			case b.Ready:
				return -1
			default:
				return 1
			}
		})
		shown = shown[:maxMembers]
	}
	slices.SortFunc(shown, func(a, b v1alpha1.ODGMMember) int { return cmp.Compare(a.ID, b.ID) })
	return shown
}

// message tells which nodes do not serve, and why. How many they are stands beside
// it.
func message(members []v1alpha1.ODGMMember) string {
	var reasons []string
	for _, member := range members {
		if member.Ready {
			continue
		}
		if len(reasons) == maxNamed {
			reasons = append(reasons, "and others")
			break
		}
		reasons = append(reasons, fmt.Sprintf("%s %s", cmp.Or(member.Pod, fmt.Sprintf("node %d", member.ID)), member.Message))
	}
	return strings.Join(reasons, "; ")
}

// questionOf is all that an answer depends on, as text.
func questionOf(grid Grid) string {
	nodes := slices.SortedFunc(slices.Values(grid.Nodes), func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return fmt.Sprintf("%q %v %v %v", grid.Wanted.ClusterID, grid.Members, grid.Wanted.Collections, nodes)
}
