// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/metricsource"
)

// prometheusInterval is how often a copy of the program asks Prometheus whether it
// answers, and prometheusEdgeInterval at the edge, where it has little to spare. One
// failure does not outlast the three probes after which Kubernetes believes that a
// pod is not ready.
const (
	prometheusInterval     = 10 * time.Second
	prometheusEdgeInterval = time.Minute
)

// addPrometheus looks after the Prometheus of the settings, if there is any. Where it
// is needed, the program is not ready while it does not answer.
func addPrometheus(mgr manager.Manager, settings config.Config, metrics prometheus.Registerer) error {
	if !settings.Features.Prometheus {
		return nil
	}
	interval := prometheusInterval
	if settings.Profile == config.ProfileEdge {
		interval = prometheusEdgeInterval
	}
	source, err := metricsource.New(metricsource.Options{
		URL: settings.Prometheus.URL, Interval: interval, Clock: clock.RealClock{}, Metrics: metrics, Log: mgr.GetLogger().WithName("prometheus"),
	})
	if err != nil {
		return err
	}
	if settings.NeedsPrometheus() {
		if err := mgr.AddReadyzCheck("prometheus", func(*http.Request) error { return source.Check() }); err != nil {
			return err
		}
	}
	return mgr.Add(source)
}

// metricsServer serves /metrics, on every copy of the program.
type metricsServer struct {
	address  string
	gatherer prometheus.Gatherer
	// profiling adds /debug/pprof.
	profiling bool
}

// NeedLeaderElection tells the manager that copies which do not lead run it too.
func (*metricsServer) NeedLeaderElection() bool { return false }

// Start serves until ctx ends.
func (s *metricsServer) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("serve metrics on METRICS_ADDRESS %s: %w", s.address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{}))
	if s.profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	httpServer := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = httpServer.Close() })
	defer stop()
	if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
