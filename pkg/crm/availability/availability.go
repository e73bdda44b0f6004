// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package availability measures which fraction of nodes' time was ready.
package availability

import (
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// window is how far back the measure reaches.
	window = 24 * time.Hour
	// slot is how finely the window moves on.
	slot = 10 * time.Minute
	// leastTime is how long must be measured before a figure means something.
	leastTime = 10 * time.Second
)

// Tracker integrates the number of nodes and of ready nodes over time. It is safe
// for concurrent use.
type Tracker struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	slots []span
	// nodes and ready hold since last.
	nodes, ready int
	last         time.Time
}

// span sums up the node-seconds that began in one slot.
type span struct {
	start       time.Time
	nodes       float64
	ready       float64
	measuredFor time.Duration
}

// New returns a tracker that has seen nothing.
func New(clock clock.PassiveClock) *Tracker {
	return &Tracker{clock: clock}
}

// Observe tells the tracker how many nodes there are from now on.
func (t *Tracker) Observe(nodes, ready int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance()
	t.nodes, t.ready = nodes, ready
}

// Availability is a decimal between 0 and 1 with five digits; empty until there is
// something to tell.
func (t *Tracker) Availability() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance()
	var nodes, ready float64
	var measured time.Duration
	for _, s := range t.slots {
		nodes, ready, measured = nodes+s.nodes, ready+s.ready, measured+s.measuredFor
	}
	if nodes == 0 || measured < leastTime {
		return ""
	}
	return strconv.FormatFloat(ready/nodes, 'f', 5, 64)
}

// advance books the time since the last call and drops what left the window.
func (t *Tracker) advance() {
	now := t.clock.Now()
	if t.last.IsZero() {
		t.last = now
		return
	}
	passed := now.Sub(t.last)
	// A clock that was set back, or a machine that slept, measured nothing.
	if passed < 0 || passed > window {
		t.last = now
		return
	}
	start := t.last.Truncate(slot)
	if len(t.slots) == 0 || !t.slots[len(t.slots)-1].start.Equal(start) {
		t.slots = append(t.slots, span{start: start})
	}
	current := &t.slots[len(t.slots)-1]
	current.nodes += float64(t.nodes) * passed.Seconds()
	current.ready += float64(t.ready) * passed.Seconds()
	current.measuredFor += passed
	t.last = now
	for len(t.slots) > 0 && now.Sub(t.slots[0].start) > window {
		t.slots = t.slots[1:]
	}
}
