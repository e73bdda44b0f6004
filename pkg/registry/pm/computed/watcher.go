// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/util/flowcontrol"
)

const (
	// bookmarkEvery is about how often a client that wants bookmarks gets one.
	bookmarkEvery = time.Minute
	// bookmarkBefore is how long before the end of a watch its last bookmark
	// comes, so that the next one resumes from there.
	bookmarkBefore = 2 * time.Second
	// resultBuffer lets several events leave in one write.
	resultBuffer = 16
)

// WatchRequest is what a client asks of a watch.
type WatchRequest struct {
	// Since is the revision after which events are told.
	Since uint64
	// Matches tells whether the client wants to see an object.
	Matches func(runtime.Object) (bool, error)
	// Initial are the objects that are told as added before the events.
	Initial []runtime.Object
	// InitialEventsEnd is whether a bookmark marks the end of those.
	InitialEventsEnd bool
	// Bookmarks is whether the client wants bookmarks.
	Bookmarks bool
	// New makes an empty object, for bookmarks.
	New func() runtime.Object
}

// watcher passes on what happens in a window.
type watcher struct {
	window  *Window
	request WatchRequest
	result  chan watch.Event
	cancel  context.CancelFunc
	// position is the revision up to which the client was told everything.
	position uint64
	// marked is the revision of the last bookmark.
	marked uint64
}

// Watch tells what happens after a revision until the context ends. A revision
// that the window does not go back to is answered with an event of type Error,
// as every resource of Kubernetes does.
func (w *Window) Watch(ctx context.Context, request WatchRequest) watch.Interface {
	ctx, cancel := context.WithCancel(ctx)
	started := &watcher{
		window: w, request: request, cancel: cancel, position: request.Since,
		result: make(chan watch.Event, resultBuffer),
	}
	go started.run(ctx)
	return started
}

// ResultChan gives the events; it is closed when the watch ends.
func (w *watcher) ResultChan() <-chan watch.Event { return w.result }

// Stop ends the watch.
func (w *watcher) Stop() { w.cancel() }

func (w *watcher) run(ctx context.Context) {
	defer close(w.result)
	defer w.cancel()

	if err := w.window.recall(ctx, w.position); err != nil {
		w.fail(ctx, err)
		return
	}
	if !w.sendInitial(ctx) {
		return
	}
	// Priority and fairness counts a watch as work until it hears of this.
	flowcontrol.WatchInitialized(ctx)
	if !w.request.Bookmarks {
		w.follow(ctx, nil, func() {})
		return
	}
	timer := w.window.options.Clock.NewTimer(w.untilBookmark(ctx))
	defer timer.Stop()
	w.follow(ctx, timer.C(), func() { timer.Reset(w.untilBookmark(ctx)) })
}

// fail tells the client why there is no watch, unless the watch has just ended.
func (w *watcher) fail(ctx context.Context, err error) {
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status := known.Status()
		w.send(ctx, watch.Event{Type: watch.Error, Object: &status})
	}
}

// follow passes on events until the watch ends.
func (w *watcher) follow(ctx context.Context, bookmarks <-chan time.Time, rearm func()) {
	var buffer []Event
	for {
		seen := w.window.look(w.position, buffer[:0])
		if seen.lost {
			return
		}
		for _, event := range seen.events {
			if !w.pass(ctx, event) {
				return
			}
			w.position = event.Revision
		}
		if seen.more {
			buffer = seen.events
			continue
		}
		w.position = max(w.position, seen.reached)
		// What was passed on is the client's; holding on to it would keep it in memory.
		clear(seen.events)
		buffer = seen.events
		select {
		case <-seen.changed:
		case <-bookmarks:
			if !w.bookmark(ctx, false) {
				return
			}
			rearm()
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) sendInitial(ctx context.Context) bool {
	for _, object := range w.request.Initial {
		if !w.send(ctx, watch.Event{Type: watch.Added, Object: shallow(object)}) {
			return false
		}
	}
	w.request.Initial = nil
	return !w.request.InitialEventsEnd || w.bookmark(ctx, true)
}

// pass tells the client of an event the way that it looks through its selectors.
func (w *watcher) pass(ctx context.Context, event Event) bool {
	is := event.Type != watch.Deleted && w.matches(event.Object)
	was := event.Previous != nil && w.matches(event.Previous)
	switch {
	case is && was:
		return w.send(ctx, watch.Event{Type: watch.Modified, Object: shallow(event.Object)})
	case is:
		return w.send(ctx, watch.Event{Type: watch.Added, Object: shallow(event.Object)})
	case was && event.Type == watch.Deleted:
		return w.send(ctx, watch.Event{Type: watch.Deleted, Object: shallow(event.Object)})
	case was:
		// The object is still there but no longer what the client selected: it sees
		// the last state that was, with the version of the event.
		last := shallow(event.Previous)
		if accessor, err := meta.Accessor(last); err == nil {
			accessor.SetResourceVersion(FormatRevision(event.Revision))
		}
		return w.send(ctx, watch.Event{Type: watch.Deleted, Object: last})
	}
	return true
}

func (w *watcher) matches(object runtime.Object) bool {
	matches, err := w.request.Matches(object)
	return err == nil && matches
}

// bookmark tells the client how far it is, unless it knows.
func (w *watcher) bookmark(ctx context.Context, initialEventsEnd bool) bool {
	if !initialEventsEnd && w.position == w.marked {
		return true
	}
	object := w.request.New()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return false
	}
	accessor.SetResourceVersion(FormatRevision(w.position))
	if initialEventsEnd {
		accessor.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	w.marked = w.position
	return w.send(ctx, watch.Event{Type: watch.Bookmark, Object: object})
}

// untilBookmark is how long it is until the next bookmark: about a minute, or
// just before the watch ends.
func (w *watcher) untilBookmark(ctx context.Context) time.Duration {
	next := wait.Jitter(bookmarkEvery, 0.25)
	if deadline, ok := ctx.Deadline(); ok {
		if last := deadline.Sub(w.window.options.Clock.Now()) - bookmarkBefore; last > 0 && last < next {
			return last
		}
	}
	return next
}

func (w *watcher) send(ctx context.Context, event watch.Event) bool {
	// An ended watch tells nothing more, even when there is room.
	if ctx.Err() != nil {
		return false
	}
	select {
	case w.result <- event:
		return true
	case <-ctx.Done():
		return false
	}
}
