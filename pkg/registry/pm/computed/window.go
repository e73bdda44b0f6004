// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
)

const (
	// DefaultCapacity is the number of events of the last minutes that a window keeps
	// at least, once there were as many.
	DefaultCapacity = 1 << 15
	// keepFor is how long an event is kept at least, while there is room: longer than
	// etcd keeps what Kubernetes' own resources resume from. An event holds two states
	// of an object, which without this would be for weeks where little happens.
	keepFor = 10 * time.Minute
	// readyWithin is how long a watch waits for a window that starts.
	readyWithin = 3 * time.Second
	// batchSize bounds how many events a watcher holds at a time.
	batchSize = 64
)

// errClosed is why nothing comes from a window that was closed.
var errClosed = errors.New("the server ends")

// Event is a change of one object. Nobody changes the objects: all watchers share
// them.
type Event struct {
	// Type is Added, Modified or Deleted.
	Type watch.EventType
	// Revision of the event, unique in its window and ascending.
	Revision uint64
	// Object is the state after the event; of a deleted object the last state, with
	// the event's resource version.
	Object runtime.Object
	// Previous is the state before the event; nil for an added object.
	Previous runtime.Object

	// at is when the window was told of it.
	at time.Time
}

// History recalls the events after one revision, up to and with another, from
// elsewhere, in their order. It fails for what nobody remembers.
type History func(ctx context.Context, after, until uint64) ([]Event, error)

// WindowOptions are what a window is made with.
type WindowOptions struct {
	// Capacity is the number of events that the window keeps. Defaults to
	// DefaultCapacity.
	Capacity int
	// Clock paces bookmarks. Defaults to the real one.
	Clock clock.Clock
	// History is asked, once, for events from before the window began. Optional.
	History History
	// Knows is false for a revision that this window cannot have given out, though
	// it lies between those that it has. Optional.
	Knows func(revision uint64) bool
}

// Window is the recent past of a resource, from which any number of watchers
// read at their own pace. A watcher holds no events of its own: one that falls
// behind the window is ended and never holds up the others.
type Window struct {
	options WindowOptions
	// recalls lets one watcher at a time ask the history; the others find what it
	// recalled.
	recalls chan struct{}

	mu sync.Mutex
	// changed is closed, and replaced, whenever something below changes.
	changed chan struct{}
	ready   bool
	closed  bool
	// floor is where the window begins: it holds every event with a greater
	// revision, up to reached.
	floor, reached uint64
	events         []Event
}

// NewWindow makes a window that is ready once Reset was called.
func NewWindow(options WindowOptions) *Window {
	if options.Capacity <= 0 {
		options.Capacity = DefaultCapacity
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Window{options: options, changed: make(chan struct{}), recalls: make(chan struct{}, 1)}
}

// Reset begins the window anew at a revision: what happened since the last event
// is not known. It ends all watchers that are not there yet; their clients come
// back with the revision that they have seen.
func (w *Window) Reset(revision uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = true
	w.floor, w.reached, w.events = revision, revision, nil
	w.notify()
}

// Publish adds events, in the order of their revisions, all greater than any
// before. Reached is the revision up to which nothing else happened.
func (w *Window) Publish(reached uint64, events ...Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(events) == 0 && reached <= w.reached {
		return
	}
	now := w.options.Clock.Now()
	old := sort.Search(len(w.events), func(i int) bool { return now.Sub(w.events[i].at) < keepFor })
	w.events = append(w.events, told(now, events)...)
	// Cut in chunks, so that a full window does not move with each event.
	dropped := 0
	if len(w.events) > w.options.Capacity+w.options.Capacity/4 {
		dropped = len(w.events) - w.options.Capacity
	}
	if old > len(w.events)/4 {
		dropped = max(dropped, old)
	}
	if dropped > 0 {
		w.floor = w.events[dropped-1].Revision
		w.events = slices.Delete(w.events, 0, dropped)
	}
	w.reached = max(w.reached, reached)
	w.notify()
}

// told notes in events that the window was told of them at a time.
func told(now time.Time, events []Event) []Event {
	for i := range events {
		events[i].at = now
	}
	return events
}

// Close ends all watchers, now and later.
func (w *Window) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.events = nil
	w.notify()
}

// Reached is the revision up to which the window knows everything; 0 before
// it is ready.
func (w *Window) Reached() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reached
}

// WaitFor waits until the window has reached a revision or the context ends.
func (w *Window) WaitFor(ctx context.Context, revision uint64) error {
	return w.await(ctx, func() bool { return w.ready && w.reached >= revision })
}

// Ready waits a little for the window to be ready. It fails with an error that
// makes clients try again.
func (w *Window) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := w.await(ctx, func() bool { return w.ready }); err != nil {
		return apierrors.NewTooManyRequests("the server still reads what the resource follows from: try again", 1)
	}
	return nil
}

func (w *Window) await(ctx context.Context, done func() bool) error {
	for {
		w.mu.Lock()
		finished, closed, changed := done(), w.closed, w.changed
		w.mu.Unlock()
		if closed {
			return errClosed
		}
		if finished {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notify wakes everybody who waits. The caller holds the lock.
func (w *Window) notify() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// glance is what a watcher sees of the window.
type glance struct {
	// events after the watcher's position, not more than a batch.
	events []Event
	// more is true when there are more events than one batch holds.
	more bool
	// reached is the revision up to which the watcher knows everything, once it
	// has passed on all events.
	reached uint64
	// lost is true when events after the watcher's position are gone.
	lost bool
	// changed is closed when there is more to see.
	changed <-chan struct{}
}

// look returns what comes after a position. It appends to a buffer that the
// watcher lends.
func (w *Window) look(position uint64, buffer []Event) glance {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := glance{changed: w.changed, reached: w.reached}
	if w.closed || position < w.floor {
		seen.lost = true
		return seen
	}
	from := w.after(position)
	until := min(from+batchSize, len(w.events))
	seen.events = append(buffer, w.events[from:until]...)
	seen.more = until < len(w.events)
	return seen
}

// after returns the index of the first event with a greater revision. The
// caller holds the lock.
func (w *Window) after(revision uint64) int {
	return sort.Search(len(w.events), func(i int) bool { return w.events[i].Revision > revision })
}

// recall makes the window begin at a revision, at the latest. It fails with
// Expired when nobody remembers what came after that.
func (w *Window) recall(ctx context.Context, since uint64) error {
	if w.options.Knows != nil && !w.options.Knows(since) {
		return expired(since, w.Reached())
	}
	floor, _, err := w.start()
	if err != nil || since >= floor {
		return err
	}
	if w.options.History == nil {
		return expired(since, floor)
	}
	select {
	case w.recalls <- struct{}{}:
		defer func() { <-w.recalls }()
	case <-ctx.Done():
		return ctx.Err()
	}

	floor, room, err := w.start()
	if err != nil || since >= floor {
		return err
	}
	// A window that is full forgot the events because there were too many.
	if room <= 0 {
		return expired(since, floor)
	}
	events, err := w.options.History(ctx, since, floor)
	if err != nil {
		return expired(since, floor)
	}
	return w.prepend(since, floor, events)
}

// start is the revision that the window begins at, and how many more events it
// holds.
func (w *Window) start() (floor uint64, room int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, 0, errClosed
	}
	return w.floor, w.options.Capacity - len(w.events), nil
}

// prepend adds the events after one revision up to another, at which the window
// began when they were asked for.
func (w *Window) prepend(since, floor uint64, events []Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.floor != floor || len(events)+len(w.events) > w.options.Capacity {
		return expired(since, w.floor)
	}
	// They are wanted now, and all that came after them, however long ago they were.
	w.events = told(w.options.Clock.Now(), slices.Concat(events, w.events))
	w.floor = since
	return nil
}

// Rewind takes objects, as they are at a revision, back to what they were at an
// earlier one; key is what they are called in the map. It fails with Expired when
// the window does not go back as far.
func (w *Window) Rewind(objects map[string]runtime.Object, key func(runtime.Object) string, at, until uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until >= at {
		return nil
	}
	if !w.ready || until < w.floor {
		return expired(until, w.floor)
	}
	for _, event := range slices.Backward(w.events[w.after(until):w.after(at)]) {
		if event.Previous == nil {
			delete(objects, key(event.Object))
		} else {
			objects[key(event.Previous)] = event.Previous
		}
	}
	return nil
}

func expired(revision, floor uint64) *apierrors.StatusError {
	return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", revision, floor))
}
