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

// statusOf is the grid as planned with what its nodes said.
func statusOf(grid Grid, e *entry) v1alpha1.ODGMClusterStatus {
	s := *grid.Wanted.DeepCopy()
	// Members of functions that are all stopped are not wanted to run.
	if s.Nodes > 0 {
		for _, member := range e.members {
			if member.Ready {
				s.ReadyNodes++
			}
		}
		s.Members = listed(e.members)
		s.Message = message(e.members)
	}
	// The time moves with the state, never on its own, and with answers only.
	if grid.Last != nil {
		s.LastProbeTime = grid.Last.LastProbeTime
	}
	if e.answered && (grid.Last == nil || grid.Last.LastProbeTime == nil || !equality.Semantic.DeepEqual(s, *grid.Last)) {
		s.LastProbeTime = new(metav1.NewTime(e.at).Rfc3339Copy())
	}
	return s
}

// toldBefore are the members of a grid whose nodes have not been asked yet. A member
// whose pod stays keeps what was told of it, so that a status does not go back and
// forth for the moment that an answer takes. That ends where the grid was changed:
// whether it serves with the change decides about the next one, and what a node said
// before it would be taken for the answer.
func toldBefore(before *entry, grid Grid) []v1alpha1.ODGMMember {
	var told []v1alpha1.ODGMMember
	whole := false
	switch last := grid.Last; {
	case before != nil && before.grid.Revision == grid.Revision && sameGrid(before.grid.Wanted, grid.Wanted) && slices.Equal(before.grid.Members, grid.Members):
		told = before.members
	case before == nil && last != nil && !grid.Changing && sameGrid(*last, grid.Wanted):
		// The program was started anew. A status does not list every member.
		told, whole = last.Members, last.ReadyNodes >= last.Nodes && last.Message == ""
	}
	members := make([]v1alpha1.ODGMMember, len(grid.Members))
	for i, id := range grid.Members {
		m := &members[i]
		if _, runs := grid.member(id, m); !runs {
			continue
		}
		at := slices.IndexFunc(told, func(t v1alpha1.ODGMMember) bool { return t.ID == m.ID })
		switch {
		case at >= 0 && told[at].Pod == m.Pod:
			*m = told[at]
		case at < 0 && whole:
			m.Ready = true
		default:
			m.Message = "has not been asked yet"
		}
	}
	return members
}

// sameGrid tells whether two states are of the same plan.
func sameGrid(a, b v1alpha1.ODGMClusterStatus) bool {
	return a.ClusterID == b.ClusterID && a.Mode == b.Mode && a.Nodes == b.Nodes && equality.Semantic.DeepEqual(a.Collections, b.Collections)
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
	return fmt.Sprintf("%q %q %v %v %v %v", grid.Wanted.ClusterID, grid.Revision, grid.Wanted.Nodes > 0, grid.Members, grid.Wanted.Collections, nodes)
}
