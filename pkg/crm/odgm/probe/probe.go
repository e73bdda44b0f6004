// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe asks the nodes of data grids how they are. Readiness of a pod means
// that a port is open; what a node knows of its grid only the node can tell.
//
// Answers are kept for a while, so that a reconciler may ask on every pass: a grid
// at rest costs one call to each node in a minute.
package probe

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Options of a Prober; the zero value works.
type Options struct {
	// Dial connects to a node. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Clock tells the time. Default: the real one.
	Clock clock.PassiveClock
	// Timeout bounds all calls to one node. Default: 2 s.
	Timeout time.Duration
	// Interval is how long an answer holds while all is well. Default: 1 min.
	Interval time.Duration
	// RetryInterval is how long it holds while something is wrong. Default: 5 s.
	RetryInterval time.Duration
	// Concurrency bounds the nodes of all grids that are asked at the same time.
	// Default: 32.
	Concurrency int
}

// Grid is what a grid should be.
type Grid struct {
	// Record that the grid belongs to.
	Record types.NamespacedName
	// Wanted is the grid as planned.
	Wanted v1alpha1.ODGMClusterStatus
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

// Prober asks nodes, and remembers what they said.
type Prober struct {
	options Options
	slots   chan struct{}

	mu    sync.Mutex
	known map[types.NamespacedName]answer
}

// answer is what a grid said.
type answer struct {
	question string
	members  []v1alpha1.ODGMMember
	at       time.Time
	healthy  bool
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
	options.Concurrency = cmp.Or(options.Concurrency, 32)
	return &Prober{
		options: options,
		slots:   make(chan struct{}, options.Concurrency),
		known:   map[types.NamespacedName]answer{},
	}
}

// Probe returns the state of a grid, and when to ask again. It asks the nodes where
// they are others than at the last time, or that was too long ago.
func (p *Prober) Probe(ctx context.Context, grid Grid) (v1alpha1.ODGMClusterStatus, time.Duration) {
	question := questionOf(grid)
	p.mu.Lock()
	last, ok := p.known[grid.Record]
	p.mu.Unlock()
	if ok && last.question == question {
		if wait := p.holds(last) - p.options.Clock.Since(last.at); wait > 0 {
			return p.status(grid, last), wait
		}
	}
	now := answer{question: question, members: p.ask(ctx, grid), at: p.options.Clock.Now()}
	now.healthy = !slices.ContainsFunc(now.members, func(m v1alpha1.ODGMMember) bool { return !m.Ready })
	// Nodes that could not be asked because the caller went away said nothing.
	if ctx.Err() == nil {
		p.mu.Lock()
		p.known[grid.Record] = now
		p.mu.Unlock()
	}
	return p.status(grid, now), p.holds(now)
}

// Forget drops what is known of a record that has no grid any more.
func (p *Prober) Forget(record types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, record)
}

func (p *Prober) holds(a answer) time.Duration {
	if a.healthy {
		return p.options.Interval
	}
	return p.options.RetryInterval
}

// ask asks all nodes, each once, and returns a member for each that there should be.
func (p *Prober) ask(ctx context.Context, grid Grid) []v1alpha1.ODGMMember {
	members := make([]v1alpha1.ODGMMember, len(grid.Members))
	var group errgroup.Group
	for i, id := range grid.Members {
		members[i] = v1alpha1.ODGMMember{ID: int64(id)} //nolint:gosec // ordinals of pods
		at := slices.IndexFunc(grid.Nodes, func(n Node) bool { return n.ID == id })
		if at < 0 {
			members[i].Message = "has no pod yet"
			continue
		}
		node := grid.Nodes[at]
		members[i].Pod = node.Pod
		if !node.Ready || node.IP == "" {
			members[i].Message = cmp.Or(node.Message, "is not ready")
			continue
		}
		group.Go(func() error {
			problem := p.askNode(ctx, grid, node)
			members[i].Ready, members[i].Outdated, members[i].Message = problem == complaint{}, problem.outdated, problem.text
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the members
	return members
}

// complaint is what is wrong with a node; empty when nothing is.
type complaint struct {
	text string
	// outdated nodes serve, and lack nothing but a restart.
	outdated bool
}

// askNode asks one node, once there is room for the call.
func (p *Prober) askNode(ctx context.Context, grid Grid, node Node) complaint {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return complaint{text: "was not asked"}
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	return p.call(ctx, grid, node)
}
