// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/internal/porttest"
)

const (
	added    = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED
	deleted  = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED
	bookmark = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK
)

type watchStream = grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]

// send sends events, then waits for the end of the stream or drops it.
func send(stream watchStream, events ...*deploymentv1.WatchDeploymentRecordsResponse) error {
	for _, e := range events {
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	return nil
}

func hold(stream watchStream) error {
	<-stream.Context().Done()
	return nil
}

// changes collects what the pool tells.
type changes struct {
	mu  sync.Mutex
	all []crmclient.Change
}

func (c *changes) add(change crmclient.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, change)
}

func (c *changes) has(want crmclient.Change) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.all, want)
}

func ids(link *crmclient.Link) []string {
	records, _, _ := link.Records()
	var got []string
	for _, record := range records {
		got = append(got, record.GetUnit().GetId())
	}
	return got
}

func TestRecordsFollowTheStream(t *testing.T) {
	proceed := make(chan struct{})
	m := &manager{watch: func(_ string, stream watchStream) error {
		if err := send(stream, event(added, "1", "b"), event(added, "2", "a"), event(bookmark, "2", "")); err != nil {
			return err
		}
		<-proceed
		if err := send(stream, event(deleted, "3", "a"), event(added, "4", "c")); err != nil {
			return err
		}
		return hold(stream)
	}}
	told := &changes{}
	pool := newPool(t, quick())
	pool.Subscribe(told.add)
	link := connect(t, pool, clusterAt(serve(t, m)))

	polltest.Until(t, "the initial records", func() bool { return slices.Equal(ids(link), []string{"a", "b"}) })
	if state := link.Record("z"); !state.Known || state.Stale || state.Record != nil {
		t.Errorf("a record that does not exist is %+v, want known to be missing", state)
	}
	if !told.has(crmclient.Change{Cluster: "a", DeploymentID: "b", Namespace: "shop", ClassDeployment: "cart"}) {
		t.Error("nobody was told about an initial record and its owner")
	}
	close(proceed)
	polltest.Until(t, "the changes", func() bool { return slices.Equal(ids(link), []string{"b", "c"}) })
	polltest.Until(t, "the deletion is told", func() bool {
		return told.has(crmclient.Change{Cluster: "a", DeploymentID: "a", Namespace: "shop", ClassDeployment: "cart"})
	})
}

// A deployment whose record was lost while nobody watched waits for this notice.
func TestAClusterWithoutRecordsTellsThatItHasNone(t *testing.T) {
	proceed := make(chan struct{})
	m := &manager{watch: func(_ string, stream watchStream) error {
		<-proceed
		if err := send(stream, event(bookmark, "1", "")); err != nil {
			return err
		}
		return hold(stream)
	}}
	pool := newPool(t, quick())
	connect(t, pool, clusterAt(serve(t, m)))
	told := &changes{}
	// Only now: the notice of the link itself is not the one.
	pool.Subscribe(told.add)
	close(proceed)
	polltest.Until(t, "the notice", func() bool { return told.has(crmclient.Change{Cluster: "a"}) })
}

func TestNothingIsKnownBeforeTheInitialRecordsAreComplete(t *testing.T) {
	proceed := make(chan struct{})
	m := &manager{watch: func(_ string, stream watchStream) error {
		if err := send(stream, event(added, "1", "a")); err != nil {
			return err
		}
		<-proceed
		if err := send(stream, event(bookmark, "1", "")); err != nil {
			return err
		}
		return hold(stream)
	}}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
	polltest.Until(t, "a stream", func() bool { return len(m.watched()) > 0 })
	if state := link.Record("a"); state.Known {
		t.Errorf("state is %+v, want unknown while records are still coming", state)
	}
	close(proceed)
	polltest.Until(t, "the record", func() bool { return link.Record("a").Record != nil })
}

func TestABrokenStreamResumesWhereItBrokeOff(t *testing.T) {
	m := &manager{watch: func(version string, stream watchStream) error {
		switch version {
		case "":
			if err := send(stream, event(added, "1", "a"), event(bookmark, "7", "")); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "dropped")
		case "7":
			if err := send(stream, event(added, "8", "b")); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "dropped again")
		default:
			return hold(stream)
		}
	}}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
	polltest.Until(t, "two resumed streams", func() bool { return len(m.watched()) >= 3 })
	if got := m.watched()[:3]; !slices.Equal(got, []string{"", "7", "8"}) {
		t.Errorf("streams began after %q, want \"\", 7, 8", got)
	}
	polltest.Until(t, "both records", func() bool { return slices.Equal(ids(link), []string{"a", "b"}) })
}

func TestAVersionThatIsTooOldStartsAnewAndDropsWhatIsGone(t *testing.T) {
	var mu sync.Mutex
	first := true
	m := &manager{}
	m.watch = func(version string, stream watchStream) error {
		if version != "" {
			return status.Error(codes.OutOfRange, "too old")
		}
		mu.Lock()
		again := !first
		first = false
		mu.Unlock()
		if again {
			if err := send(stream, event(added, "20", "b"), event(bookmark, "20", "")); err != nil {
				return err
			}
			return hold(stream)
		}
		if err := send(stream, event(added, "1", "a"), event(bookmark, "1", "")); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "dropped")
	}
	told := &changes{}
	pool := newPool(t, quick())
	pool.Subscribe(told.add)
	link := connect(t, pool, clusterAt(serve(t, m)))
	polltest.Until(t, "the new records alone", func() bool { return slices.Equal(ids(link), []string{"b"}) })
	if got := m.watched()[:3]; !slices.Equal(got, []string{"", "1", ""}) {
		t.Errorf("streams began after %q, want \"\", 1, \"\"", got)
	}
	polltest.Until(t, "the record that went away meanwhile is told", func() bool {
		return told.has(crmclient.Change{Cluster: "a", DeploymentID: "a", Namespace: "shop", ClassDeployment: "cart"})
	})
}

func TestAStreamThatNeverTellsItsRecordsLeavesThemUnknownAndStale(t *testing.T) {
	m := &manager{watch: func(_ string, stream watchStream) error { return hold(stream) }}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m), timeout(30*time.Millisecond)))
	polltest.Until(t, "the cluster counts as out of contact", func() bool {
		state := link.Record("a")
		return state.Stale && !state.Known
	})
}

func TestAClusterThatIsBackIsNoticedAndItsBreakerCloses(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	m := &manager{watch: func(_ string, stream watchStream) error {
		if err := send(stream, event(added, "1", "a"), event(bookmark, "1", "")); err != nil {
			return err
		}
		return hold(stream)
	}}
	stop := serveOn(t, m, listener)
	told := &changes{}
	pool := newPool(t, quick())
	pool.Subscribe(told.add)
	link := connect(t, pool, clusterAt(address))
	polltest.Until(t, "the record", func() bool { return link.Record("a").Record != nil })

	stop()
	_, release := porttest.Hold(t, address)
	polltest.Until(t, "the records are stale", func() bool { return link.Record("a").Stale })
	if link.Record("a").Record == nil {
		t.Error("the last known record was dropped")
	}
	polltest.Until(t, "the breaker opens", func() bool {
		_, err := link.Deploy(t.Context(), unit("u"))
		return errors.Is(err, crmclient.ErrBreakerOpen)
	})
	polltest.Until(t, "the open breaker is told", func() bool { return told.has(crmclient.Change{Cluster: "a"}) })

	release()
	polltest.Until(t, "the port is free again", func() bool {
		listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		return err == nil
	})
	serveOn(t, m, listener)
	polltest.Until(t, "the records are fresh", func() bool { return !link.Record("a").Stale })
	polltest.Until(t, "the breaker is closed long before its time", func() bool {
		return link.Breaker().State == pmv1alpha1.CircuitClosed
	})
	if _, err := link.Deploy(context.WithoutCancel(t.Context()), unit("u")); err != nil {
		t.Errorf("a call after the return of the cluster: %v", err)
	}
}

func TestAnEventThatBreaksTheContractStartsTheStreamAnew(t *testing.T) {
	m := &manager{watch: func(_ string, stream watchStream) error {
		if err := send(stream, event(added, "1", "a"), event(bookmark, "1", ""), event(added, "2", "")); err != nil {
			return err
		}
		return hold(stream)
	}}
	connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
	polltest.Until(t, "another stream from the beginning", func() bool {
		began := m.watched()
		return len(began) >= 2 && began[1] == ""
	})
}
