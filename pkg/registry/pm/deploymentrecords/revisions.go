// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"slices"
	"time"

	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/registry/pm/computed"
)

const (
	// replicaBits of a revision tell the replica that gave it out. The rest is the
	// time in microseconds, which fits a signed number until the year 2255.
	replicaBits = 10
	// step is from one microsecond to the next.
	step = 1 << replicaBits
	// remembered is the number of revisions that are known to be given out: more
	// than the window has events, so that none of those is forgotten first.
	remembered = 2 * computed.DefaultCapacity
	// skew is how far the clocks of replicas may differ.
	skew = 5 * time.Second
)

// revisions gives out resource versions. Records come from many clusters, each of
// which counts by itself, and every replica sees their changes in an order of its
// own; so a version says when this replica saw a change, and which replica that
// was. Versions of one replica only ever grow, even when its clock is set back.
//
// A client that resumes at another replica, or at this one after a restart, would
// miss what that one saw in another order. Therefore a version counts only where
// it was given out, which is looked up, not guessed from the bits: two replicas
// may have drawn the same.
type revisions struct {
	clock   clock.PassiveClock
	replica uint64
	last    uint64
	// given are the newest revisions that were given out, ascending.
	given []uint64
}

func newRevisions(clock clock.PassiveClock, replica uint64) *revisions {
	return &revisions{clock: clock, replica: replica % step}
}

// at is the revision of a time.
func (r *revisions) at(when time.Time) uint64 {
	return uint64(max(0, when.UnixMicro()))<<replicaBits | r.replica
}

// next gives out a revision greater than all before.
func (r *revisions) next() uint64 { return r.nextAfter(r.last) }

// nextAfter gives out a revision greater than another and all before.
func (r *revisions) nextAfter(revision uint64) uint64 {
	least := max(revision, r.last)
	r.last = max(r.at(r.clock.Now()), least-least%step+step+r.replica)
	if len(r.given) == remembered {
		// Half at a time, so that a full memory does not move with each revision.
		r.given = slices.Delete(r.given, 0, remembered/2)
	}
	r.given = append(r.given, r.last)
	return r.last
}

// knows is true for a revision that was given out not too long ago.
func (r *revisions) knows(revision uint64) bool {
	_, found := slices.BinarySearch(r.given, revision)
	return found
}

// plausible is true for a revision that a replica whose clock is a little ahead
// may have given out by now.
func (r *revisions) plausible(revision uint64) bool {
	return revision <= max(r.last, r.at(r.clock.Now().Add(skew)))
}
