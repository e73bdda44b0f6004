// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/internal/polltest"
)

func stateOf(t *testing.T, pool *crmclient.Pool, cluster string) crmclient.State {
	t.Helper()
	state, ok := pool.State(cluster)
	if !ok {
		t.Fatalf("the pool does not know cluster %s", cluster)
	}
	return state
}

func TestTheStateTellsSinceWhenAClusterIsAway(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{watch: func(_ string, stream watchStream) error {
		if err := send(stream, event(bookmark, "1", "")); err != nil {
			return err
		}
		return hold(stream)
	}}
	stop := serveOn(t, m, listener)
	pool := newPool(t, quick())
	began := time.Now()
	connect(t, pool, clusterAt(listener.Addr().String()))
	if state := stateOf(t, pool, "a"); state.Reliable() && state.LastHeard.IsZero() || state.Since.Before(began) {
		t.Errorf("state is %+v, want a link made after %s", state, began)
	}
	polltest.Until(t, "the cluster is heard of", func() bool {
		state := stateOf(t, pool, "a")
		return state.Reliable() && !state.LastHeard.Before(began)
	})

	left := time.Now()
	stop()
	polltest.Until(t, "the cluster is away", func() bool { return stateOf(t, pool, "a").Stale })
	state := stateOf(t, pool, "a")
	if away := state.LastHeard.Sub(left); away < 0 || away > 10*time.Second {
		t.Errorf("last heard %s after the end of the cluster, want soon after", away)
	}
	if !state.Known || state.Reliable() {
		t.Errorf("state is %+v, want known and not reliable", state)
	}
}

func TestTheStateTellsWhatIsWrongWithTheSettings(t *testing.T) {
	authority := issue(t, "authority", nil)
	secrets := &vault{err: errors.New("forbidden")}
	pool := newPool(t, withSecrets(secrets))
	told := &changes{}
	pool.Subscribe(told.add)
	cluster := clusterAt("127.0.0.1:1", verified(authority, ""), identified(pmv1alpha1.ClusterAuthBearer))
	cluster.UID, cluster.Generation = "first", 3
	if _, err := pool.Ensure(t.Context(), cluster); err == nil {
		t.Fatal("a Secret that cannot be read made a link")
	}
	state := stateOf(t, pool, "a")
	if state.Link != nil || state.Err == nil || state.UID != "first" || state.Generation != 3 || state.Reliable() {
		t.Errorf("state is %+v, want no link, the error and the object", state)
	}
	if !told.has(crmclient.Change{Cluster: "a"}) {
		t.Error("nobody was told that the cluster has no link")
	}

	before := told.count()
	if _, err := pool.Ensure(t.Context(), cluster); err == nil || told.count() != before {
		t.Errorf("the same failure was told again; error %v", err)
	}
	secrets.set(map[string][]byte{"token": []byte("t")}, nil)
	connect(t, pool, cluster)
	if state := stateOf(t, pool, "a"); state.Link == nil || state.Err != nil || told.count() == before {
		t.Errorf("state is %+v after the Secret was mended", state)
	}
	before = told.count()
	cluster.Generation = 4
	connect(t, pool, cluster)
	if state := stateOf(t, pool, "a"); state.Generation != 4 || told.count() == before {
		t.Errorf("state is %+v, told %d times; want generation 4, and told", state, told.count()-before)
	}
}

func TestStatesAreOrderedAndEndWithTheCluster(t *testing.T) {
	pool := newPool(t, quick())
	for _, name := range []string{"c", "a", "b"} {
		cluster := clusterAt("127.0.0.1:1")
		cluster.Name = name
		connect(t, pool, cluster)
	}
	pool.Remove("b")
	states := pool.States()
	if len(states) != 2 || states[0].Cluster != "a" || states[1].Cluster != "c" {
		t.Errorf("states are %+v, want those of a and c", states)
	}
	if _, ok := pool.State("b"); ok {
		t.Error("a removed cluster has a state")
	}
}

func TestEverySubscriberIsToldUntilItUnsubscribes(t *testing.T) {
	pool := newPool(t, crmclient.Options{})
	early, late := &changes{}, &changes{}
	unsubscribe := pool.Subscribe(early.add)
	pool.Subscribe(late.add)
	connect(t, pool, clusterAt("127.0.0.1:1"))
	if early.count() == 0 || late.count() == 0 {
		t.Fatalf("the subscribers were told %d and %d times of a link", early.count(), late.count())
	}
	unsubscribe()
	before := early.count()
	pool.Remove("a")
	if early.count() != before {
		t.Error("who unsubscribed is still told")
	}
	if late.count() < 2 {
		t.Error("the other one is not told any more")
	}
}

func TestAPoolIsCompleteWhenSomebodySaysSo(t *testing.T) {
	pool := newPool(t, quick())
	select {
	case <-pool.Complete():
		t.Error("a new pool is complete")
	default:
	}
	pool.SetComplete()
	pool.SetComplete()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	select {
	case <-pool.Complete():
	case <-ctx.Done():
		t.Error("the pool is not complete")
	}
}

func TestAClosedPoolKeepsWhatItKnew(t *testing.T) {
	pool := newPool(t, crmclient.Options{})
	told := &changes{}
	connect(t, pool, clusterAt("127.0.0.1:1"))
	pool.Subscribe(told.add)
	pool.Close()
	pool.Close()
	if len(pool.States()) != 1 || told.count() != 0 {
		t.Errorf("after the end there are %d clusters, told %d times; want one and none: the cluster did not go away", len(pool.States()), told.count())
	}
}

func (c *changes) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}
