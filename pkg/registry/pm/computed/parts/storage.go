// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"context"
	"errors"
	"sync"

	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// Store reads packages: the storage that serves them.
type Store interface {
	rest.Getter
	rest.Lister
	rest.Watcher
}

// Packages is what all kinds of parts follow.
type Packages struct {
	store    Store
	history  *history
	follower *follower

	start   sync.Once
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Follow prepares to follow the packages in a store. The getter tells where they
// are stored.
func Follow(store Store, getter generic.RESTOptionsGetter) *Packages {
	return &Packages{
		store:    store,
		history:  &history{getter: getter},
		follower: &follower{store: store, clock: clock.RealClock{}},
	}
}

// Start begins to follow, once all kinds of parts are known, until Stop is called.
// It does not wait for the store.
func (p *Packages) Start() {
	p.start.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		p.stop = stop
		p.stopped.Go(func() { p.follower.run(ctx) })
	})
}

// Stop ends what Start began, or keeps it from beginning.
func (p *Packages) Stop() {
	p.start.Do(func() { p.stop = func() {} })
	p.stop()
	p.stopped.Wait()
	p.history.close()
}

// NewStorage serves a kind of parts. It must be called before Start.
func NewStorage[T computed.Object, D any](packages *Packages, kind *Kind[T, D]) *computed.REST[T] {
	window := computed.NewWindow(computed.WindowOptions{
		History: func(ctx context.Context, after, until uint64) ([]computed.Event, error) {
			return recall(ctx, packages.history, kind, after, until)
		},
	})
	packages.follower.feeds = append(packages.follower.feeds, publisher[T, D]{kind: kind, window: window})
	return computed.NewREST(computed.Resource[T]{
		Resource: kind.Resource,
		New:      kind.New, NewList: kind.NewList, FieldValues: kind.FieldValues, Columns: kind.Columns,
		Source:  &source[T, D]{kind: kind, store: packages.store, window: window},
		Window:  window,
		Destroy: packages.Stop,
	})
}

// publisher is the feed of a window.
type publisher[T computed.Object, D any] struct {
	kind   *Kind[T, D]
	window *computed.Window
}

func (p publisher[T, D]) reset(write uint64) { p.window.Reset(join(write, whole)) }

func (p publisher[T, D]) wrote(write uint64, previous, current *pm.Package) {
	events, counted := p.kind.diff(write, previous, current)
	if !counted {
		// More changes than a write has versions for: clients list again.
		p.window.Reset(join(write, whole))
		return
	}
	p.window.Publish(join(write, whole), events...)
}

func (p publisher[T, D]) nothing(write uint64) { p.window.Publish(join(write, whole)) }

// collector is the feed of a recollection.
type collector[T computed.Object, D any] struct {
	kind      *Kind[T, D]
	after     uint64
	events    []computed.Event
	uncounted bool
}

func (c *collector[T, D]) reset(uint64) {}

func (c *collector[T, D]) wrote(write uint64, previous, current *pm.Package) {
	events, counted := c.kind.diff(write, previous, current)
	c.uncounted = c.uncounted || !counted
	for _, event := range events {
		if event.Revision > c.after {
			c.events = append(c.events, event)
		}
	}
}

func (c *collector[T, D]) nothing(uint64) {}

var errUncounted = errors.New("one write changed more than can be told")

// recall returns the events between two revisions from etcd's own history.
func recall[T computed.Object, D any](ctx context.Context, history *history, kind *Kind[T, D], after, until uint64) ([]computed.Event, error) {
	from, place := split(after)
	if place != whole && from > 0 {
		// The client has seen a part of this write: what it changed is only known from
		// the state before it.
		from--
	}
	last, _ := split(until)
	if from == 0 {
		return nil, errors.New("the revision is from before the first write")
	}
	collected := &collector[T, D]{kind: kind, after: after}
	if from < last {
		if err := history.recall(ctx, from, last, collected); err != nil {
			return nil, err
		}
	}
	if collected.uncounted {
		return nil, errUncounted
	}
	return collected.events, nil
}
