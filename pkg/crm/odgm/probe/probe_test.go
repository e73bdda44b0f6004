// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
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
	"k8s.io/client-go/util/workqueue"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm/probe"
	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
	"oaas.io/oaas/pkg/internal/polltest"
)

// node is a node of a grid, in memory.
type node struct {
	odgmv1.UnimplementedGridInfoServiceServer

	health   healthv1.HealthCheckResponse_ServingStatus // unknown: serves no health
	info     *odgmv1.GetClusterInfoResponse             // nil: serves none
	hangs    bool
	gate     chan struct{} // closed: answers the first who asks
	asked    atomic.Int32
	listener *bufconn.Listener
	server   *grpc.Server
}

func (n *node) GetClusterInfo(ctx context.Context, _ *odgmv1.GetClusterInfoRequest) (*odgmv1.GetClusterInfoResponse, error) {
	if n.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if n.asked.Add(1) == 1 && n.gate != nil {
		<-n.gate
	}
	return n.info, nil
}

func (n *node) start(t *testing.T) {
	t.Helper()
	n.listener = bufconn.Listen(1 << 16)
	n.server = grpc.NewServer()
	server := n.server
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

// patience bounds every wait, and what no test waits for.
const patience = time.Minute

// scene is a grid of two nodes and a prober.
type scene struct {
	clock  *testclock.FakeClock
	prober *probe.Prober
	grid   probe.Grid
	dials  atomic.Int32
	queue  queue
}

// newScene starts a prober for a grid that it has not heard of.
func newScene(t *testing.T, nodes map[uint64]*node) *scene {
	t.Helper()
	s := &scene{clock: testclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))}
	timeout := patience
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
			if nodes[id].hangs {
				// Long enough for the others to answer.
				timeout = 2 * time.Second
			}
		}
	}
	s.prober = probe.New(probe.Options{
		Clock:   s.clock,
		Timeout: timeout,
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
	s.queue = start(t, s.prober)
	return s
}

// queue is that of the records.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// start lets a prober ask until the test ends.
func start(t *testing.T, prober *probe.Prober) queue {
	t.Helper()
	q := queue{workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())}
	t.Cleanup(q.ShutDown)
	if err := prober.Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	return q
}

// woken waits until a record is queued.
func (q queue) woken(t *testing.T) types.NamespacedName {
	t.Helper()
	got := make(chan reconcile.Request, 1)
	go func() {
		request, _ := q.Get()
		q.Done(request)
		got <- request
	}()
	select {
	case request := <-got:
		return request.NamespacedName
	case <-time.After(patience):
		t.Fatal("no record is queued")
		return types.NamespacedName{}
	}
}

// told is what the prober knows of the grid.
func (s *scene) told() v1alpha1.ODGMClusterStatus {
	status, _ := s.prober.Probe(s.grid)
	return status
}

// asked is what the prober knows of the grid once its nodes have answered.
func (s *scene) asked(t *testing.T) v1alpha1.ODGMClusterStatus {
	t.Helper()
	s.told()
	if record := s.queue.woken(t); record != s.grid.Record {
		t.Errorf("%s is queued", record)
	}
	return s.told()
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
		"a node that hangs":                    {second: &node{health: serving, hangs: true}, ready: 1, want: "cart-2 did not answer within 2s"},
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
			status, again := s.prober.Probe(s.grid)
			if s.grid.Nodes != nil {
				status = s.asked(t)
			}
			if status.ReadyNodes != c.ready || status.Message != c.want {
				t.Errorf("%d ready, message %q; want %d, %q", status.ReadyNodes, status.Message, c.ready, c.want)
			}
			if c.want != "" && (len(status.Members) != 2 || status.Members[1].Ready || !strings.HasSuffix(c.want, status.Members[1].Message)) {
				t.Errorf("members %+v", status.Members)
			}
			if outdated := strings.Contains(c.want, "has not been restarted"); outdated && !status.Members[1].Outdated {
				t.Errorf("member %+v is not told as outdated", status.Members[1])
			}
			if waits := strings.Contains(name, "a pod that is not"); (waits && again != 5*time.Second) || (!waits && again != 0) {
				t.Errorf("the record comes again after %s", again)
			}
		})
	}
}

// TestAtRest holds what a grid costs that stays as it is: no call before its time, no
// pass, and the same status, so that nobody writes.
func TestAtRest(t *testing.T) {
	s := newScene(t, map[uint64]*node{1: {health: serving, info: info(1)}, 2: {health: serving, info: info(2)}})
	if unknown := s.told(); unknown.ReadyNodes != 0 || unknown.LastProbeTime != nil || unknown.Message != "cart-1 has not been asked yet; cart-2 has not been asked yet" {
		t.Errorf("before anybody was asked: %+v", unknown)
	}
	first := s.asked(t)
	if want := metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !first.LastProbeTime.Equal(&want) {
		t.Errorf("probed at %s, want %s", first.LastProbeTime, want)
	}
	calls := s.dials.Load()
	s.grid.Last = &first

	s.clock.Step(40 * time.Second)
	second := s.told()
	if s.dials.Load() != calls {
		t.Errorf("%d further calls", s.dials.Load()-calls)
	}
	s.clock.Step(20 * time.Second)
	polltest.Until(t, "the nodes are asked when the time has come", func() bool { return s.dials.Load() == 2*calls })
	// The next round begins when this one has ended.
	polltest.Until(t, "the nodes are asked once more", func() bool { s.clock.Step(time.Minute); return s.dials.Load() >= 3*calls })
	for _, later := range []v1alpha1.ODGMClusterStatus{second, s.told()} {
		if diff := cmp.Diff(first, later); diff != "" {
			t.Errorf("a status that did not change would be written:\n%s", diff)
		}
	}

	// Another pod is asked at once, and the time moves with what it says.
	// The round before may still read the nodes that it was given.
	s.grid.Nodes = slices.Clone(s.grid.Nodes)
	s.grid.Nodes[1].IP = "10.0.0.9"
	if s.queue.Len() != 0 {
		t.Error("the record is queued although nothing changed")
	}
	if changed := s.asked(t); changed.ReadyNodes != 1 || !first.LastProbeTime.Before(changed.LastProbeTime) {
		t.Errorf("%d ready at %s", changed.ReadyNodes, changed.LastProbeTime)
	}

	s.prober.Forget(s.grid.Record)
	s.grid.Last = nil
	if s.told().LastProbeTime != nil {
		t.Error("a record that was forgotten is still known")
	}
}

// TestANodeThatChangesItsMind queues the record without anybody asking.
func TestANodeThatChangesItsMind(t *testing.T) {
	second := &node{health: serving, info: info(2)}
	s := newScene(t, map[uint64]*node{1: {health: serving, info: info(1)}, 2: second})
	if before := s.asked(t); before.ReadyNodes != 2 {
		t.Fatalf("%d nodes ready: %s", before.ReadyNodes, before.Message)
	}
	second.server.Stop()
	s.clock.Step(time.Minute)
	s.queue.woken(t)
	if after := s.told(); after.ReadyNodes != 1 {
		t.Errorf("%d nodes ready after one went away", after.ReadyNodes)
	}
}

// TestUntilTheAnswer tells what a grid is while its nodes are being asked. What was
// said before a change of its objects or its size counts for nothing: a step to the
// next size would be taken on it.
func TestUntilTheAnswer(t *testing.T) {
	cases := map[string]struct {
		anew   bool // the program was started anew
		change func(*probe.Grid)
		ready  int32
		want   string
	}{
		"the objects were changed":              {false, func(g *probe.Grid) { g.Revision = "2" }, 0, "cart-1 has not been asked yet; cart-2 has not been asked yet"},
		"the grid has a node more":              {false, func(g *probe.Grid) { g.Wanted.Nodes, g.Members = 3, []uint64{1, 2, 3} }, 0, "cart-1 has not been asked yet; cart-2 has not been asked yet; node 3 has no pod yet"},
		"the grid has a node less":              {false, func(g *probe.Grid) { g.Wanted.Nodes, g.Members = 1, []uint64{1} }, 0, "cart-1 has not been asked yet"},
		"the collections are others":            {false, func(g *probe.Grid) { g.Wanted.Collections = nil }, 0, "cart-1 has not been asked yet; cart-2 has not been asked yet"},
		"a pod went away":                       {false, func(g *probe.Grid) { g.Nodes = g.Nodes[:1] }, 1, "node 2 has no pod yet"},
		"a pod is another":                      {false, func(g *probe.Grid) { g.Nodes[1].Pod = "cart-x" }, 1, "cart-x has not been asked yet"},
		"the program was started anew":          {true, func(*probe.Grid) {}, 2, ""},
		"started anew in the midst of a change": {true, func(g *probe.Grid) { g.Changing = true }, 0, "cart-1 has not been asked yet; cart-2 has not been asked yet"},
		"started anew before a step was told":   {true, func(g *probe.Grid) { g.Wanted.Nodes, g.Members = 3, []uint64{1, 2, 3} }, 0, "cart-1 has not been asked yet; cart-2 has not been asked yet; node 3 has no pod yet"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, map[uint64]*node{1: {health: serving}, 2: {health: serving}})
			s.grid.Revision = "1"
			healthy := s.asked(t)
			if healthy.ReadyNodes != 2 {
				t.Fatalf("%d nodes ready: %s", healthy.ReadyNodes, healthy.Message)
			}
			s.grid.Last = &healthy
			if c.anew {
				s.prober = probe.New(probe.Options{Clock: s.clock}) // not the leader yet: it asks nobody
			}
			c.change(&s.grid)
			if told := s.told(); told.ReadyNodes != c.ready || told.Message != c.want {
				t.Errorf("%d ready, message %q; want %d, %q", told.ReadyNodes, told.Message, c.ready, c.want)
			}
		})
	}
}

// TestAnAnswerThatComesTooLate is one to a question that was asked before the grid
// was changed, and back.
func TestAnAnswerThatComesTooLate(t *testing.T) {
	gate := make(chan struct{})
	first := &node{health: serving, info: info(1), gate: gate}
	s := newScene(t, map[uint64]*node{1: first, 2: {health: serving, info: info(2)}})
	s.told()
	polltest.Until(t, "the first node is being asked", func() bool { return first.asked.Load() == 1 })
	s.grid.Revision = "2"
	s.told()
	s.grid.Revision = ""
	if told := s.told(); told.ReadyNodes != 0 {
		t.Errorf("%d nodes ready before an answer", told.ReadyNodes)
	}
	close(gate)
	// The record may be queued for an answer to the question in between, too.
	polltest.Until(t, "the nodes have answered", func() bool { return s.told().ReadyNodes == 2 })
	if asked := first.asked.Load(); asked < 2 {
		t.Errorf("the first node was asked %d times, want another answer than that to the first question", asked)
	}
}

// hanging makes grids at an address that takes connections and never answers.
func hanging(t *testing.T) (grid func(i int) probe.Grid, accepted *atomic.Int32) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	accepted = new(atomic.Int32)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			t.Cleanup(func() { connection.Close() })
		}
	}()
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	return func(i int) probe.Grid {
		return single(types.NamespacedName{Namespace: "hostile", Name: fmt.Sprint(i)}, port)
	}, accepted
}

// answering is a grid at an address that answers.
func answering(t *testing.T) probe.Grid {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	go server.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(server.Stop)
	return single(types.NamespacedName{Namespace: "team-a", Name: "cart"}, int32(listener.Addr().(*net.TCPAddr).Port))
}

func single(record types.NamespacedName, port int32) probe.Grid {
	return probe.Grid{
		Record: record, Wanted: v1alpha1.ODGMClusterStatus{Nodes: 1}, Members: []uint64{1},
		Nodes: []probe.Node{{ID: 1, Pod: "pod", IP: "127.0.0.1", Port: port, Ready: true}},
	}
}

// TestGridsThatNeverAnswer keep neither callers nor another grid waiting, neither at
// first nor when they are asked again and again.
func TestGridsThatNeverAnswer(t *testing.T) {
	cases := map[string]struct {
		options probe.Options
		others  int
		known   bool // they have been asked before
	}{
		"they are asked for the first time": {options: probe.Options{Timeout: time.Hour}, others: 50},
		// The timeout is one that a healthy grid keeps on a busy machine.
		"they take every place that is for them": {options: probe.Options{Concurrency: 2, Timeout: 2 * time.Second, RetryInterval: time.Millisecond}, others: 6, known: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grid, accepted := hanging(t)
			prober := probe.New(c.options)
			q := start(t, prober)
			ask := func(revision string) {
				asked := make(chan struct{})
				go func() {
					defer close(asked)
					for i := range c.others {
						changed := grid(i)
						changed.Revision = revision
						prober.Probe(changed)
					}
				}()
				// Less than their answers would take, were they waited for.
				select {
				case <-asked:
				case <-time.After(min(patience, time.Duration(c.others)*c.options.Timeout/2)):
					t.Fatal("the callers wait")
				}
			}
			ask("1")
			if c.known {
				for range c.others {
					q.woken(t)
				}
				// What they are asked anew makes them no better.
				ask("2")
			} else {
				polltest.Until(t, "the hanging grids are asked", func() bool { return accepted.Load() >= int32(c.others) })
			}
			healthy := answering(t)
			prober.Probe(healthy)
			before := 0
			for q.woken(t) != healthy.Record {
				before++
			}
			// One after the other, they take until long after.
			if before > c.others/3 {
				t.Errorf("the healthy grid is told after %d of %d that hang", before, c.others)
			}
			if status, _ := prober.Probe(healthy); status.ReadyNodes != 1 {
				t.Errorf("the healthy grid is told as %q", status.Message)
			}
		})
	}
}

// TestItEnds: nothing goes on after the manager's end, or for a record that is gone.
func TestItEnds(t *testing.T) {
	grid, accepted := hanging(t)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	prober := probe.New(probe.Options{Timeout: time.Hour})
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	prober.Probe(grid(0))
	if accepted.Load() != 0 {
		t.Error("a node is asked before the start")
	}
	if err := prober.Start(ctx, q); err != nil {
		t.Fatal(err)
	}
	if prober.Start(ctx, q) == nil {
		t.Error("it starts twice")
	}
	prober.Probe(grid(1))
	polltest.Until(t, "both grids are asked", func() bool { return accepted.Load() == 2 })
	prober.Forget(grid(0).Record)
	cancel()
	q.ShutDown()
	polltest.Until(t, "all that was started ends", func() bool { return runtime.NumGoroutine() <= before })
	if q.Len() != 0 {
		t.Error("who was not heard to the end is told")
	}
}

// TestConcurrency asks more nodes than it may at a time.
func TestConcurrency(t *testing.T) {
	var now, most atomic.Int32
	prober := probe.New(probe.Options{Concurrency: 2, Timeout: patience, Dial: func(context.Context, string) (net.Conn, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return nil, errors.New("connection refused")
	}})
	q := start(t, prober)
	grid := probe.Grid{Wanted: v1alpha1.ODGMClusterStatus{Nodes: 100}}
	for id := range uint64(100) {
		grid.Members = append(grid.Members, id)
		grid.Nodes = append(grid.Nodes, probe.Node{ID: id, Pod: fmt.Sprint(id), IP: "10.0.0.1", Port: 1, Ready: true})
	}
	for _, name := range []string{"a", "b", "c"} {
		grid.Record.Name = name
		prober.Probe(grid)
	}
	for range 3 {
		q.woken(t)
	}
	if most.Load() > 2*4 {
		t.Errorf("%d nodes at a time, want 8", most.Load())
	}
	status, _ := prober.Probe(grid)
	if len(status.Members) != 64 || !strings.HasSuffix(status.Message, "and others") {
		t.Errorf("%d members, message %q", len(status.Members), status.Message)
	}
}
