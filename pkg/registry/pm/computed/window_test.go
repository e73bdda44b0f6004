// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm"
)

// class makes an object with a key that selectors of the tests look at.
func class(name, key string, revision uint64) *pm.Class {
	return &pm.Class{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", ResourceVersion: FormatRevision(revision)},
		Spec:       pm.ClassSpec{ClassDefinition: pm.ClassDefinition{Key: key}},
	}
}

func added(name, key string, revision uint64) Event {
	return Event{Type: watch.Added, Revision: revision, Object: class(name, key, revision)}
}

func modified(name, from, to string, revision uint64) Event {
	return Event{Type: watch.Modified, Revision: revision, Object: class(name, to, revision), Previous: class(name, from, revision-1)}
}

func deleted(name, key string, revision uint64) Event {
	return Event{Type: watch.Deleted, Revision: revision, Object: class(name, key, revision), Previous: class(name, key, revision-1)}
}

func everything(runtime.Object) (bool, error) { return true, nil }

func keyed(key string) func(runtime.Object) (bool, error) {
	return func(object runtime.Object) (bool, error) { return object.(*pm.Class).Spec.Key == key, nil }
}

func request(since uint64) WatchRequest {
	return WatchRequest{Since: since, Matches: everything, New: func() runtime.Object { return &pm.Class{} }}
}

// read takes what a watch tells until nothing more comes, in a bubble of synctest.
func read(watched watch.Interface) []string {
	var told []string
	for {
		synctest.Wait()
		select {
		case event, open := <-watched.ResultChan():
			if !open {
				return append(told, "end")
			}
			told = append(told, describe(event))
		default:
			return told
		}
	}
}

func describe(event watch.Event) string {
	if status, ok := event.Object.(*metav1.Status); ok {
		return fmt.Sprintf("%s %d", event.Type, status.Code)
	}
	accessor, err := meta.Accessor(event.Object)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%s %s@%s", event.Type, accessor.GetName(), accessor.GetResourceVersion())
	if accessor.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
		text += " end of initial events"
	}
	return text
}

func newWindow(options WindowOptions) *Window {
	window := NewWindow(options)
	window.Reset(100)
	return window
}

func TestWatch(t *testing.T) {
	all := []Event{added("a", "x", 101), added("b", "y", 102), modified("a", "x", "y", 103), deleted("b", "y", 104)}
	tests := map[string]struct {
		request WatchRequest
		want    []string
	}{
		"begins where the window begins": {
			request: request(100),
			want:    []string{"ADDED a@101", "ADDED b@102", "MODIFIED a@103", "DELETED b@104"},
		},
		"resumes between two events": {
			request: request(102),
			want:    []string{"MODIFIED a@103", "DELETED b@104"},
		},
		"resumes at the end": {
			request: request(104),
		},
		"resumes at what this server has not seen yet": {
			request: request(1000),
		},
		"is refused from before the window": {
			request: request(99),
			want:    []string{"ERROR 410", "end"},
		},
		"tells of an object that is no longer selected as deleted": {
			request: WatchRequest{Since: 100, Matches: keyed("x")},
			want:    []string{"ADDED a@101", "DELETED a@103"},
		},
		"tells of an object that is selected from now on as added": {
			request: WatchRequest{Since: 101, Matches: keyed("y")},
			want:    []string{"ADDED b@102", "ADDED a@103", "DELETED b@104"},
		},
		"does not tell of what was never selected": {
			request: WatchRequest{Since: 100, Matches: keyed("z")},
		},
		"tells first what there is, then that this is all, then what changes": {
			request: WatchRequest{
				Since: 102, Matches: everything, New: request(0).New, Bookmarks: true, InitialEventsEnd: true,
				Initial: []runtime.Object{class("a", "x", 101), class("b", "y", 102)},
			},
			want: []string{"ADDED a@101", "ADDED b@102", "BOOKMARK @102 end of initial events", "MODIFIED a@103", "DELETED b@104"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				window := newWindow(WindowOptions{})
				window.Publish(104, all...)
				watched := window.Watch(t.Context(), test.request)
				if diff := cmp.Diff(test.want, read(watched)); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				watched.Stop()
			})
		})
	}
}

func TestEventsReachAWatchThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		watched := window.Watch(t.Context(), request(100))
		if told := read(watched); told != nil {
			t.Errorf("told %v before anything happened", told)
		}
		// More than a batch.
		var want []string
		for revision := uint64(101); revision < 101+3*batchSize; revision++ {
			window.Publish(revision, added("a", "x", revision))
			want = append(want, fmt.Sprintf("ADDED a@%d", revision))
		}
		if diff := cmp.Diff(want, read(watched)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		watched.Stop()
		if diff := cmp.Diff([]string{"end"}, read(watched)); diff != "" {
			t.Errorf("after the end, told (-want +got):\n%s", diff)
		}
	})
}

func TestSlowWatcherIsEndedAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{Capacity: 100})
		slow, quick := window.Watch(t.Context(), request(100)), window.Watch(t.Context(), request(100))
		told := 0
		for revision := uint64(101); revision <= 1100; revision++ {
			window.Publish(revision, added("a", "x", revision))
			told += len(read(quick))
		}
		if told != 1000 {
			t.Errorf("the quick watcher was told %d events, want 1000", told)
		}
		got := read(slow)
		if last := got[len(got)-1]; last != "end" || len(got) > 1+batchSize+resultBuffer {
			t.Errorf("the slow watcher was told %d events, the last %q, want a few and the end", len(got), last)
		}
		quick.Stop()
	})
}

// An event holds two states of an object. Tens of thousands of them, of large objects
// that change now and then, would fill the memory in the course of weeks.
func TestAWindowForgetsWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		revision := uint64(100)
		follows := window.Watch(t.Context(), request(revision))
		publish := func(n int, pause time.Duration) {
			for range n {
				revision++
				window.Publish(revision, modified("cart", "old", "new", revision))
				read(follows)
				time.Sleep(pause)
			}
		}
		publish(1000, time.Minute)
		if held := len(window.events); held > 20 {
			t.Errorf("the window holds %d events of the last 1000 minutes", held)
		}
		old := window.Watch(t.Context(), request(600))
		if got := read(old); len(got) != 2 || got[0] != "ERROR 410" {
			t.Errorf("a watch from an old revision is told %.3q, want that it is too old", got)
		}
		recent := window.Watch(t.Context(), request(revision-3))
		if got := read(recent); len(got) != 3 {
			t.Errorf("a watch from a moment ago is told %.5q, want 3 events", got)
		}
		// What comes at once is kept, however much.
		publish(5000, time.Millisecond)
		if held := len(window.events); held < 5000 {
			t.Errorf("the window holds %d events of the last 5 seconds, want 5000", held)
		}
		if got := read(follows); len(got) != 0 {
			t.Errorf("a watch that keeps up is told %.3q at the end", got)
		}
		follows.Stop()
		recent.Stop()
	})
}

func TestBookmarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		with, without := request(100), request(100)
		with.Bookmarks = true
		marked, unmarked := window.Watch(t.Context(), with), window.Watch(t.Context(), without)
		ending, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ended := window.Watch(ending, with)

		window.Publish(150)
		time.Sleep(18 * time.Second)
		if diff := cmp.Diff([]string{"BOOKMARK @150"}, read(ended)); diff != "" {
			t.Errorf("just before its end, told (-want +got):\n%s", diff)
		}
		time.Sleep(2 * time.Minute)
		// Nothing new to mark the second time.
		if diff := cmp.Diff([]string{"BOOKMARK @150"}, read(marked)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		window.Publish(160)
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"BOOKMARK @160"}, read(marked)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if told := read(unmarked); told != nil {
			t.Errorf("told %v to a client that wants no bookmarks", told)
		}
		marked.Stop()
		unmarked.Stop()
	})
}

func TestResetEndsWatchersThatAreNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		behind, ahead := window.Watch(t.Context(), request(100)), window.Watch(t.Context(), request(200))
		synctest.Wait()
		window.Reset(200)
		if diff := cmp.Diff([]string{"end"}, read(behind)); diff != "" {
			t.Errorf("behind, told (-want +got):\n%s", diff)
		}
		window.Publish(201, added("a", "x", 201))
		if diff := cmp.Diff([]string{"ADDED a@201"}, read(ahead)); diff != "" {
			t.Errorf("ahead, told (-want +got):\n%s", diff)
		}
		window.Close()
		if diff := cmp.Diff([]string{"end"}, read(ahead)); diff != "" {
			t.Errorf("at the end, told (-want +got):\n%s", diff)
		}
	})
}

func TestHistoryIsAskedOnceForWhatTheWindowForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		window := newWindow(WindowOptions{History: func(_ context.Context, after, until uint64) ([]Event, error) {
			asked++
			if after < 90 {
				return nil, errors.New("compacted")
			}
			if until != 100 {
				return nil, fmt.Errorf("asked for what came until %d, want 100", until)
			}
			// Slow enough for the other watchers to wait.
			time.Sleep(time.Second)
			return []Event{added("a", "x", 95), added("b", "x", 96)}, nil
		}})
		window.Publish(101, added("c", "x", 101))
		var watched []watch.Interface
		for range 10 {
			watched = append(watched, window.Watch(t.Context(), request(94)))
		}
		time.Sleep(2 * time.Second)
		for _, one := range watched {
			if diff := cmp.Diff([]string{"ADDED a@95", "ADDED b@96", "ADDED c@101"}, read(one)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			one.Stop()
		}
		if asked != 1 {
			t.Errorf("the history was asked %d times, want once", asked)
		}
		if diff := cmp.Diff([]string{"ERROR 410", "end"}, read(window.Watch(t.Context(), request(80)))); diff != "" {
			t.Errorf("of what is compacted, told (-want +got):\n%s", diff)
		}
	})
}

func TestRevisionOfAnotherServerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{Knows: func(revision uint64) bool { return revision%2 == 0 }})
		if diff := cmp.Diff([]string{"ERROR 410", "end"}, read(window.Watch(t.Context(), request(101)))); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestEndedWatchesLeaveNothingBehind(t *testing.T) {
	// A bubble of synctest fails when a goroutine outlives it.
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			unread := request(100)
			unread.Bookmarks = true
			window.Watch(ctx, unread)
		}
		for revision := uint64(101); revision < 200; revision++ {
			window.Publish(revision, added("a", "x", revision))
		}
		cancel()
	})
}

func TestEachWatcherIsToldAnObjectOfItsOwn(t *testing.T) {
	// The server writes the kind into the objects that it encodes.
	synctest.Test(t, func(t *testing.T) {
		window := newWindow(WindowOptions{})
		window.Publish(101, added("a", "x", 101))
		first, second := window.Watch(t.Context(), request(100)), window.Watch(t.Context(), request(100))
		one, other := <-first.ResultChan(), <-second.ResultChan()
		if one.Object == other.Object {
			t.Error("two watchers share an object")
		}
		if diff := cmp.Diff(one.Object, other.Object); diff != "" {
			t.Errorf("the objects differ:\n%s", diff)
		}
		first.Stop()
		second.Stop()
	})
}
