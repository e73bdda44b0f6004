// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

var _ source.Source = (*Prober)(nil)

// Start asks, until ctx ends, and queues records whose grid said something new. It
// satisfies source.Source: only where the records are reconciled grids are asked.
func (p *Prober) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue != nil {
		return errors.New("the prober of data grids was started before")
	}
	config := workqueue.TypedDelayingQueueConfig[types.NamespacedName]{Clock: p.options.Clock}
	p.queue, p.turns, p.slow = queue, workqueue.NewTypedDelayingQueueWithConfig(config), workqueue.NewTypedDelayingQueueWithConfig(config)
	for record := range p.known {
		p.turns.Add(record)
	}
	for range p.options.Concurrency {
		go p.work(ctx, p.turns)
	}
	for range max(1, p.options.Concurrency/2) {
		go p.work(ctx, p.slow)
	}
	context.AfterFunc(ctx, func() {
		p.turns.ShutDown()
		p.slow.ShutDown()
	})
	return nil
}

// work asks one grid after the other. A queue never gives the same grid to two.
func (p *Prober) work(ctx context.Context, queue workqueue.TypedDelayingInterface[types.NamespacedName]) {
	for {
		record, ended := queue.Get()
		if ended {
			return
		}
		p.turn(ctx, record, queue == p.slow)
		queue.Done(record)
	}
}

// turn asks a grid, if that is due.
func (p *Prober) turn(ctx context.Context, record types.NamespacedName, slow bool) {
	p.mu.Lock()
	e := p.known[record]
	if e == nil || ctx.Err() != nil || !askable(e.grid) {
		p.mu.Unlock()
		return
	}
	if wait := e.due.Sub(p.options.Clock.Now()); wait > 0 {
		p.mu.Unlock()
		p.turns.AddAfter(record, wait)
		return
	}
	if e.hangs && !slow {
		p.mu.Unlock()
		p.slow.Add(record)
		return
	}
	ctx, e.cancel = context.WithCancel(ctx)
	defer e.cancel()
	grid := e.grid
	p.mu.Unlock()

	members, hangs := p.ask(ctx, grid)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[record] != e || ctx.Err() != nil {
		// Nobody wants to know any more. Whoever asks something else meanwhile queued
		// it.
		return
	}
	news := !e.answered || !slices.Equal(e.members, members)
	e.members, e.answered, e.hangs, e.cancel = members, true, hangs, nil
	holds := p.options.RetryInterval
	if !slices.ContainsFunc(members, func(m v1alpha1.ODGMMember) bool { return !m.Ready }) {
		holds = p.options.Interval
	}
	if news {
		e.at = p.options.Clock.Now()
		p.queue.Add(reconcile.Request{NamespacedName: record})
	}
	e.due = p.options.Clock.Now().Add(holds)
	p.turns.AddAfter(record, holds)
}

// askable tells whether a grid has nodes to ask. Those of functions that are all
// stopped are not wanted to run.
func askable(grid Grid) bool {
	return grid.Wanted.Nodes > 0 && slices.ContainsFunc(grid.Members, grid.runs)
}

// ask asks all nodes, each once, and returns a member for each that there should be,
// and whether one of them did not answer in time, or nearly not.
func (p *Prober) ask(ctx context.Context, grid Grid) ([]v1alpha1.ODGMMember, bool) {
	members := make([]v1alpha1.ODGMMember, len(grid.Members))
	ctx, cancel := context.WithTimeout(ctx, 5*p.options.Timeout)
	defer cancel()
	var hangs atomic.Bool
	var group errgroup.Group
	group.SetLimit(nodesAtATime)
	for i, id := range grid.Members {
		node, runs := grid.member(id, &members[i])
		if !runs {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				members[i].Message = "was not asked, since others took too long"
				return nil
			}
			asking, cancel := context.WithTimeout(ctx, p.options.Timeout)
			defer cancel()
			since := p.options.Clock.Now()
			problem := p.call(asking, grid, node)
			if asking.Err() != nil || p.options.Clock.Since(since) > p.options.Timeout/4 {
				hangs.Store(true)
			}
			members[i].Ready, members[i].Outdated, members[i].Message = problem == complaint{}, problem.outdated, problem.text
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the members
	return members, hangs.Load()
}

// complaint is what is wrong with a node; empty when nothing is.
type complaint struct {
	text string
	// outdated nodes serve, and lack nothing but a restart.
	outdated bool
}
