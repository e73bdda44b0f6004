// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	calls   *prometheus.HistogramVec
	reports *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	calls, err := register(registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "pm_grpc_call_duration_seconds",
		Help:    "Time that calls took, by method and gRPC code.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	}, []string{"method", "code"}))
	if err != nil {
		return nil, err
	}
	counter, err := register(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pm_reports_total",
		Help: "Reports of units, by kind (status or metrics) and outcome.",
	}, []string{"kind", "outcome"}))
	if err != nil {
		return nil, err
	}
	return &metrics{calls: calls, reports: counter}, nil
}

func (m *metrics) observe(method, code string, duration time.Duration) {
	m.calls.WithLabelValues(method, code).Observe(duration.Seconds())
}

// register adds a collector, or returns the one of its name that another server in
// this process has added.
func register[T prometheus.Collector](registry prometheus.Registerer, collector T) (T, error) {
	err := registry.Register(collector)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(T); ok {
			return existing, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("register metrics: %w", err)
	}
	return collector, nil
}
