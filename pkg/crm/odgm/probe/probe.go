// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe asks the nodes of data grids how they are. Readiness of a pod means
// that a port is open; what a node knows of its grid only the node can tell.
//
// Nodes are asked in the background, so that one that never answers keeps nobody
// waiting. Reconcilers are told at once what is known, and queued when it changes: a
// grid at rest costs one call to each node in a minute, and no pass.
package probe

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Options of a Prober; the zero value works.
type Options struct {
	// Dial connects to a node. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Clock tells the time. Default: the real one.
	Clock clock.WithTicker
	// Timeout bounds all calls to one node. Default: 2 s. A whole grid is asked for no
	// longer than five times that.
	Timeout time.Duration
	// Interval is how long an answer holds while all is well. Default: 1 min.
	Interval time.Duration
	// RetryInterval is how long it holds while something is wrong. Default: 5 s.
	RetryInterval time.Duration
	// Concurrency bounds the grids that are asked at the same time, each of them once
	// and a few nodes at a time. Those that took more than a quarter of the
	// timeout for an answer, or gave none, have half as many places of their own, so
	// that they do not keep the others waiting. Default: 64.
	Concurrency int
}

// nodesAtATime bounds the nodes of one grid that are asked at the same time.
const nodesAtATime = 4

// Grid is what a grid should be.
type Grid struct {
	// Record that the grid belongs to.
	Record types.NamespacedName
	// Wanted is the grid as planned.
	Wanted v1alpha1.ODGMClusterStatus
	// Revision names the objects that run the grid, as they were last changed. What
	// nodes said before a change does not count after it.
	Revision string
	// Changing tells that such a change may not have reached every pod yet.
	Changing bool
	// Members are the ids of all nodes, ascending.
	Members []uint64
	// Nodes are the pods that are there.
	Nodes []Node
	// Last is the status that the record shows; nil at first.
	Last *v1alpha1.ODGMClusterStatus
}

// Node is a pod that runs a node.
type Node struct {
	// ID of the node: the pod's index.
	ID uint64
	// Pod is the pod's name.
	Pod string
	// IP of the pod; empty while it has none.
	IP string
	// Port of gRPC.
	Port int32
	// Ready tells whether the pod's container for the node is ready. Others are not
	// asked.
	Ready bool
	// Message tells why it is not, where the caller knows.
	Message string
}

// member begins what is told of a member, and returns its node. It is false where
// there is none to ask, and the member tells why.
func (g Grid) member(id uint64, m *v1alpha1.ODGMMember) (Node, bool) {
	m.ID = int64(id) //nolint:gosec // ordinals of pods
	at := slices.IndexFunc(g.Nodes, func(n Node) bool { return n.ID == id })
	if at < 0 {
		m.Message = "has no pod yet"
		return Node{}, false
	}
	node := g.Nodes[at]
	m.Pod = node.Pod
	if !node.Ready || node.IP == "" {
		m.Message = cmp.Or(node.Message, "is not ready")
		return node, false
	}
	return node, true
}

// runs tells whether a member has a node that can be asked.
func (g Grid) runs(id uint64) bool {
	_, runs := g.member(id, new(v1alpha1.ODGMMember))
	return runs
}

// Prober asks nodes, and remembers what they said. It is the source of the requests
// of records whose grid said something new, and asks from its Start on.
type Prober struct {
	options Options

	mu    sync.Mutex
	known map[types.NamespacedName]*entry
	// queue is that of the records; nil before the start.
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	// turns are the grids whose turn it is, slow those of them that hang.
	turns, slow workqueue.TypedDelayingInterface[types.NamespacedName]
}

// entry is what is known of a grid.
type entry struct {
	// grid is what it was last, and question all of it that an answer depends on.
	grid     Grid
	question string
	// members are as told last. They are answers to the question, asked at a time, once
	// answered is set; before that they may be older.
	members  []v1alpha1.ODGMMember
	answered bool
	at       time.Time
	// due is when the nodes have to be asked next.
	due time.Time
	// hangs tells that a node did not answer in time, or nearly not.
	hangs bool
	// cancel ends the asking that goes on; nil while none does.
	cancel context.CancelFunc
}

// New makes a prober.
func New(options Options) *Prober {
	if options.Dial == nil {
		options.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	options.Timeout = cmp.Or(options.Timeout, 2*time.Second)
	options.Interval = cmp.Or(options.Interval, time.Minute)
	options.RetryInterval = cmp.Or(options.RetryInterval, 5*time.Second)
	options.Concurrency = cmp.Or(options.Concurrency, 64)
	return &Prober{options: options, known: map[types.NamespacedName]*entry{}}
}

// Probe returns what is known of a grid, at once, and has its nodes asked where they
// are others than at the last time. The record is queued when they have answered, and
// whenever they say something else. What a pod waits for that has no node to ask yet,
// the prober does not see: then, Probe also tells when to come again.
func (p *Prober) Probe(grid Grid) (v1alpha1.ODGMClusterStatus, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.known[grid.Record]
	if question := questionOf(grid); e == nil || e.question != question {
		before := e
		e = &entry{question: question, members: toldBefore(before, grid)}
		if before != nil {
			e.hangs = before.hangs
			before.stop()
		}
		p.known[grid.Record] = e
		if e.answered = !askable(grid); e.answered {
			e.at = p.options.Clock.Now()
		} else if p.turns != nil {
			p.turns.Add(grid.Record)
		}
	}
	e.grid = grid
	e.grid.Last = nil
	var again time.Duration
	if grid.Wanted.Nodes > 0 && slices.ContainsFunc(grid.Members, func(id uint64) bool { return !grid.runs(id) }) {
		again = p.options.RetryInterval
	}
	return statusOf(grid, e), again
}

// Forget drops what is known of a record that has no grid any more, and ends asking.
func (p *Prober) Forget(record types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.known[record]; e != nil {
		e.stop()
	}
	delete(p.known, record)
}

// stop ends the asking that goes on.
func (e *entry) stop() {
	if e.cancel != nil {
		e.cancel()
	}
}
