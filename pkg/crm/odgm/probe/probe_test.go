// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm/probe"
	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
)

// node is a node of a grid, in memory.
type node struct {
	odgmv1.UnimplementedGridInfoServiceServer

	health   healthv1.HealthCheckResponse_ServingStatus // unknown: serves no health
	info     *odgmv1.GetClusterInfoResponse             // nil: serves none
	hangs    bool
	listener *bufconn.Listener
}

func (n *node) GetClusterInfo(ctx context.Context, _ *odgmv1.GetClusterInfoRequest) (*odgmv1.GetClusterInfoResponse, error) {
	if n.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return n.info, nil
}

func (n *node) start(t *testing.T) {
	t.Helper()
	n.listener = bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	if n.health != healthv1.HealthCheckResponse_UNKNOWN {
		h := health.NewServer()
		h.SetServingStatus("", n.health)
		healthv1.RegisterHealthServer(server, h)
	}
	if n.info != nil || n.hangs {
		odgmv1.RegisterGridInfoServiceServer(server, n)
	}
	go server.Serve(n.listener) //nolint:errcheck // ends with the test
	t.Cleanup(server.Stop)
}

const serving = healthv1.HealthCheckResponse_SERVING

// info is what a node of the grid below says when all is well, changed as told.
func info(id uint64, change ...func(*odgmv1.GetClusterInfoResponse)) *odgmv1.GetClusterInfoResponse {
	i := &odgmv1.GetClusterInfoResponse{
		ClusterId: "cart-dev", NodeId: id, Members: []uint64{2, 1},
		Collections: []*odgmv1.CollectionInfo{{Name: "Cart_data", PartitionCount: 4, ActivePartitions: 4}},
	}
	for _, c := range change {
		c(i)
	}
	return i
}

// scene is a grid of two nodes and a prober.
type scene struct {
	clock  *testclock.FakeClock
	prober *probe.Prober
	grid   probe.Grid
	dials  atomic.Int32
}

func newScene(t *testing.T, nodes map[uint64]*node) *scene {
	t.Helper()
	s := &scene{clock: testclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))}
	s.grid = probe.Grid{
		Record: types.NamespacedName{Namespace: "team-a", Name: "cart"},
		Wanted: v1alpha1.ODGMClusterStatus{
			ClusterID: "cart-dev", Mode: v1alpha1.ODGMCluster, Nodes: 2,
			Collections: []v1alpha1.ODGMCollectionStatus{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}},
		},
		Members: []uint64{1, 2},
	}
	for id := range uint64(2) {
		id++
		s.grid.Nodes = append(s.grid.Nodes, probe.Node{ID: id, Pod: fmt.Sprintf("cart-%d", id), IP: fmt.Sprintf("10.0.0.%d", id), Port: 8080, Ready: true})
		if nodes[id] != nil {
			nodes[id].start(t)
		}
	}
	s.prober = probe.New(probe.Options{
		Clock:   s.clock,
		Timeout: 300 * time.Millisecond,
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			s.dials.Add(1)
			for id, n := range nodes {
				if address == fmt.Sprintf("10.0.0.%d:8080", id) {
					return n.listener.DialContext(ctx)
				}
			}
			return nil, errors.New("connection refused")
		},
	})
	return s
}

func TestProbe(t *testing.T) {
	well := func() *node { return &node{health: serving, info: info(1)} }
	cases := map[string]struct {
		second *node
		change func(*probe.Grid)
		ready  int32
		want   string
	}{
		"all is well":                          {second: &node{health: serving, info: info(2)}, ready: 2},
		"a release without cluster info":       {second: &node{health: serving}, ready: 2},
		"a release without the health service": {second: &node{info: info(2)}, ready: 2},
		"a release with neither, that answers": {second: &node{}, ready: 2},
		"a node that nobody reaches":           {ready: 1, want: "cart-2 cannot be reached at 10.0.0.2:8080"},
		"a node that does not serve":           {second: &node{health: healthv1.HealthCheckResponse_NOT_SERVING}, ready: 1, want: "cart-2 says that it is NOT_SERVING"},
		"a node that hangs":                    {second: &node{health: serving, hangs: true}, ready: 1, want: "cart-2 did not answer within 300ms"},
		"a node that takes itself for another": {second: &node{info: info(7)}, ready: 1, want: "cart-2 takes itself for node 7"},
		"a node of another grid":               {second: &node{info: info(2, func(i *odgmv1.GetClusterInfoResponse) { i.ClusterId = "x" })}, ready: 1, want: `cart-2 is in the grid "x"`},
		"a node that has not been restarted":   {second: &node{info: info(2, func(i *odgmv1.GetClusterInfoResponse) { i.Members = []uint64{2} })}, ready: 1, want: "cart-2 knows 1 members where there are 2: it has not been restarted with the new ones"},
		"a node without the collection":        {second: &node{info: info(2, func(i *odgmv1.GetClusterInfoResponse) { i.Collections = nil })}, ready: 1, want: `cart-2 does not know the collection "Cart_data"`},
		"a node with the partitions of before": {second: &node{info: info(2, func(i *odgmv1.GetClusterInfoResponse) {
			i.Collections[0].PartitionCount, i.Collections[0].ActivePartitions = 2, 2
		})}, ready: 1, want: `cart-2 knows 2 partitions of "Cart_data" where there are 4: it has not been restarted with the new ones`},
		"a partition without a leader":           {second: &node{info: info(2, func(i *odgmv1.GetClusterInfoResponse) { i.Collections[0].ActivePartitions = 3 })}, ready: 1, want: `cart-2 serves 3 of 4 partitions of "Cart_data"`},
		"a pod that is not ready, with a reason": {change: func(g *probe.Grid) { g.Nodes[1].Ready, g.Nodes[1].Message = false, "CrashLoopBackOff" }, ready: 1, want: "cart-2 CrashLoopBackOff"},
		"a pod that is not there":                {change: func(g *probe.Grid) { g.Nodes = g.Nodes[:1] }, ready: 1, want: "node 2 has no pod yet"},
		"a pod too many, on the way out": {second: &node{health: serving}, change: func(g *probe.Grid) {
			g.Nodes = append(g.Nodes, probe.Node{ID: 3, Pod: "cart-3", IP: "10.0.0.3", Ready: true})
		}, ready: 2},
		"functions that are all stopped are fine": {change: func(g *probe.Grid) { g.Wanted.Nodes, g.Members, g.Nodes = 0, []uint64{1}, nil }, ready: 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			nodes := map[uint64]*node{1: well()}
			if c.second != nil {
				nodes[2] = c.second
			}
			s := newScene(t, nodes)
			if c.change != nil {
				c.change(&s.grid)
			}
			status, again := s.prober.Probe(t.Context(), s.grid)
			if status.ReadyNodes != c.ready || status.Message != c.want {
				t.Errorf("%d ready, message %q; want %d, %q", status.ReadyNodes, status.Message, c.ready, c.want)
			}
			if c.want != "" && (again != 5*time.Second || len(status.Members) != 2 || status.Members[1].Ready || !strings.HasSuffix(c.want, status.Members[1].Message)) {
				t.Errorf("asks again after %s, members %+v", again, status.Members)
			}
			if outdated := strings.Contains(c.want, "has not been restarted"); outdated && !status.Members[1].Outdated {
				t.Errorf("member %+v is not told as outdated", status.Members[1])
			}
			if c.want == "" && status.Nodes > 0 && again != time.Minute {
				t.Errorf("asks again after %s", again)
			}
		})
	}
}

// TestAtRest holds what a grid costs that stays as it is: no call before its time,
// and the same status, so that nobody writes.
func TestAtRest(t *testing.T) {
	s := newScene(t, map[uint64]*node{1: {health: serving, info: info(1)}, 2: {health: serving, info: info(2)}})
	first, _ := s.prober.Probe(t.Context(), s.grid)
	if want := metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !first.LastProbeTime.Equal(&want) {
		t.Errorf("probed at %s, want %s", first.LastProbeTime, want)
	}
	calls := s.dials.Load()
	s.grid.Last = &first

	s.clock.Step(40 * time.Second)
	second, again := s.prober.Probe(t.Context(), s.grid)
	if s.dials.Load() != calls || again != 20*time.Second {
		t.Errorf("%d further calls, asks again after %s", s.dials.Load()-calls, again)
	}
	s.clock.Step(20 * time.Second)
	third, _ := s.prober.Probe(t.Context(), s.grid)
	if s.dials.Load() != 2*calls {
		t.Errorf("%d calls when the time had come, want %d", s.dials.Load(), 2*calls)
	}
	for _, later := range []v1alpha1.ODGMClusterStatus{second, third} {
		if diff := cmp.Diff(first, later); diff != "" {
			t.Errorf("a status that did not change would be written:\n%s", diff)
		}
	}

	// Another pod is asked at once, and the time moves with what it says.
	s.grid.Nodes[1].IP = "10.0.0.9"
	changed, _ := s.prober.Probe(t.Context(), s.grid)
	if changed.ReadyNodes != 1 || !third.LastProbeTime.Before(changed.LastProbeTime) {
		t.Errorf("%d ready at %s", changed.ReadyNodes, changed.LastProbeTime)
	}

	s.prober.Forget(s.grid.Record)
	before := s.dials.Load()
	if s.prober.Probe(t.Context(), s.grid); s.dials.Load() == before {
		t.Error("a record that was forgotten is still known")
	}
}

// TestACallerThatLeaves must not leave its haste behind as the grid's state.
func TestACallerThatLeaves(t *testing.T) {
	s := newScene(t, map[uint64]*node{1: {health: serving, info: info(1)}, 2: {health: serving, info: info(2)}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, _ := s.prober.Probe(ctx, s.grid); status.ReadyNodes != 0 {
		t.Errorf("%d nodes answered nobody", status.ReadyNodes)
	}
	if status, _ := s.prober.Probe(t.Context(), s.grid); status.ReadyNodes != 2 {
		t.Errorf("the next caller hears of %d nodes: %s", status.ReadyNodes, status.Message)
	}
}

// TestConcurrency asks more nodes than it may at a time.
func TestConcurrency(t *testing.T) {
	var now, most atomic.Int32
	prober := probe.New(probe.Options{Concurrency: 3, Timeout: 5 * time.Second, Dial: func(context.Context, string) (net.Conn, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return nil, errors.New("connection refused")
	}})
	grid := probe.Grid{Wanted: v1alpha1.ODGMClusterStatus{Nodes: 100}}
	for id := range uint64(100) {
		grid.Members = append(grid.Members, id)
		grid.Nodes = append(grid.Nodes, probe.Node{ID: id, Pod: fmt.Sprint(id), IP: "10.0.0.1", Port: 1, Ready: true})
	}
	status, _ := prober.Probe(t.Context(), grid)
	if most.Load() > 3 {
		t.Errorf("%d nodes at a time, want 3", most.Load())
	}
	if len(status.Members) != 64 || !strings.HasSuffix(status.Message, "and others") {
		t.Errorf("%d members, message %q", len(status.Members), status.Message)
	}
}
