// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import "slices"

// assign gives every partition its copies' nodes. Members are in the order in which
// they join: the result for one member more differs only by what the last one takes
// over, which is no more than its fair share. Nodes hold equally many copies, and
// lead equally many partitions, as far as the numbers divide.
func assign(members []uint64, partitions, copies int, collection uint64) []Assignment {
	b := &board{held: map[uint64]int{}, led: map[uint64]int{}, placed: make([]Assignment, partitions)}
	for i, member := range members {
		if i < copies {
			b.copyTo(member)
		} else {
			b.takeOver(member)
		}
		b.lead(member, i+1)
	}
	for p := range b.placed {
		b.placed[p].Shards = shardIDs(collection, p, b.placed[p].Replicas)
	}
	return b.placed
}

// board is an assignment in the making.
type board struct {
	placed  []Assignment
	members []uint64
	// held and led count the copies and the partitions of each member.
	held, led map[uint64]int
	// spread: no member holds more than one copy, so that nothing is left to take over.
	spread bool
}

// copyTo gives a member a copy of every partition: there are fewer members than
// copies so far.
func (b *board) copyTo(member uint64) {
	for p := range b.placed {
		b.placed[p].Replicas = append(b.placed[p].Replicas, member)
		if len(b.placed[p].Replicas) == 1 {
			b.placed[p].Primary = member
			b.led[member]++
		}
	}
	b.held[member] = len(b.placed)
	b.members = append(b.members, member)
}

// takeOver moves copies from those that hold most, one at a time, until the member
// holds as many as they do.
func (b *board) takeOver(member uint64) {
	for !b.spread {
		donor := b.busiest()
		b.spread = b.held[donor] <= 1
		if b.held[donor] <= b.held[member]+1 {
			break
		}
		p := b.partitionOf(donor, member)
		if p < 0 {
			break
		}
		a := &b.placed[p]
		a.Replicas[slices.Index(a.Replicas, donor)] = member
		b.held[donor]--
		b.held[member]++
		if a.Primary == donor {
			a.Primary = member
			b.led[donor]--
			b.led[member]++
		}
	}
	b.members = append(b.members, member)
}

// busiest is the member that holds most, the first of several.
func (b *board) busiest() uint64 {
	return slices.MaxFunc(b.members, func(x, y uint64) int { return b.held[x] - b.held[y] })
}

// partitionOf is a partition that the donor can hand to the member: one that it
// leads while it leads more than the member, since the member has to lead some too.
func (b *board) partitionOf(donor, member uint64) int {
	wantLed := b.led[donor] > b.led[member]+1
	found := -1
	for p := range b.placed {
		a := &b.placed[p]
		if !slices.Contains(a.Replicas, donor) || slices.Contains(a.Replicas, member) {
			continue
		}
		if (a.Primary == donor) == wantLed {
			return p
		}
		if found < 0 {
			found = p
		}
	}
	return found
}

// lead lets a member lead its share of the partitions that it has a copy of. No
// copy moves for that.
func (b *board) lead(member uint64, members int) {
	share := len(b.placed) / members
	for b.led[member] < share {
		best := -1
		for p := range b.placed {
			a := &b.placed[p]
			if a.Primary == member || !slices.Contains(a.Replicas, member) {
				continue
			}
			if best < 0 || b.led[a.Primary] > b.led[b.placed[best].Primary] {
				best = p
			}
		}
		if best < 0 || b.led[b.placed[best].Primary] <= b.led[member]+1 {
			return
		}
		b.led[b.placed[best].Primary]--
		b.placed[best].Primary = member
		b.led[member]++
	}
}

// Bits of a shard's id, from the lowest: the node, the partition, the collection.
// Together they stay below 2^53, so that a reader of JSON who knows floating point
// numbers alone does not mix two up.
const (
	nodeBits        = 16
	partitionBits   = 16
	collectionSlots = 1<<20 - 1
)

// shardIDs are the ids of a partition's copies. They follow from where the copy is,
// so that a copy that moves to another node gets an id of its own: a node that
// agrees with others under an id that has forgotten what it agreed to before breaks
// the agreement.
func shardIDs(collection uint64, partition int, nodes []uint64) []uint64 {
	base := collection<<(nodeBits+partitionBits) | uint64(partition)<<nodeBits //nolint:gosec // never negative
	ids := make([]uint64, 0, len(nodes))
	for _, node := range nodes {
		low := node
		for slices.Contains(ids, base|low%(1<<nodeBits)) {
			low++
		}
		ids = append(ids, base|low%(1<<nodeBits))
	}
	return ids
}
