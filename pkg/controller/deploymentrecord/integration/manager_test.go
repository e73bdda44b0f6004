// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/crm/children"
)

// calls counts what a client asks of the API server.
type calls struct {
	next http.RoundTripper

	mu     sync.Mutex
	reads  []string
	writes []string
	events int
}

// RoundTrip counts a request and passes it on.
func (c *calls) RoundTrip(request *http.Request) (*http.Response, error) {
	call := request.Method + " " + request.URL.Path
	c.mu.Lock()
	switch {
	case strings.Contains(request.URL.Path, "/events"):
		c.events++
	case request.URL.Query().Has("watch"), request.URL.Query().Has("sendInitialEvents"):
	case request.Method == http.MethodGet:
		c.reads = append(c.reads, call)
	default:
		c.writes = append(c.writes, call)
	}
	c.mu.Unlock()
	return c.next.RoundTrip(request)
}

// reset forgets what was counted.
func (c *calls) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.writes, c.events = nil, nil, 0
}

// counted returns the reads and writes since the last reset.
func (c *calls) counted() (reads, writes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.reads...), append([]string(nil), c.writes...)
}

// program is the reconciler as it runs in the Class Runtime Manager, for the
// records of one namespace.
type program struct {
	reconciler *deploymentrecord.Reconciler
	known      *children.Cache
	calls      *calls
}

// startProgram runs the reconciler for a namespace until the test ends.
func startProgram(t *testing.T, config *rest.Config, namespace string, renderer deploymentrecord.Renderer) *program {
	t.Helper()
	p := &program{calls: &calls{}}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		p.calls.next = next
		return p.calls
	})
	log := logr.Discard()
	if testing.Verbose() {
		log = testr.New(t)
	}
	mgr, err := manager.New(config, manager.Options{
		Scheme: scheme, Logger: log, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.known, err = children.New(children.Options{Config: mgr.GetConfig(), Mapper: mgr.GetRESTMapper(), Clock: clock.RealClock{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	p.reconciler, err = deploymentrecord.New(deploymentrecord.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Children: p.known, Renderer: renderer,
		Recorder: mgr.GetEventRecorder("oaas-crm"), Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.reconciler.Register(mgr, 4, &inNamespace{Cache: p.known, namespace: namespace}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the program ended with %v", err)
		}
	})
	return p
}

// inNamespace is a source that leaves the records of other tests alone.
type inNamespace struct {
	*children.Cache
	namespace string
}

// Start passes on what happens in the namespace.
func (s *inNamespace) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	return s.Cache.Start(ctx, &queueOf{TypedRateLimitingInterface: queue, namespace: s.namespace})
}

type queueOf struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	namespace string
}

func (q *queueOf) Add(request reconcile.Request) {
	if request.Namespace == q.namespace {
		q.TypedRateLimitingInterface.Add(request)
	}
}
