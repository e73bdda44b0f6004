// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// countTimeout bounds the count of records from the cache.
const countTimeout = time.Second

type metrics struct {
	// deployments counts accepted deployments by outcome.
	deployments *prometheus.CounterVec
	calls       *prometheus.HistogramVec
}

// observeCall counts a call that ended.
func (m *metrics) observeCall(method, code string, duration time.Duration) {
	m.calls.WithLabelValues(method, code).Observe(duration.Seconds())
}

func newMetrics(registry prometheus.Registerer, records client.Reader) (*metrics, error) {
	m := &metrics{
		deployments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crm_deployments_total",
			Help: "Deployment units that were accepted, by outcome: created, updated or unchanged.",
		}, []string{"outcome"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crm_grpc_call_duration_seconds",
			Help:    "Time that calls took, by method and gRPC code.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"method", "code"}),
	}
	active := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "crm_active_deployments",
		Help: "Deployment records that exist on the cluster.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
		defer cancel()
		list := &v1alpha1.DeploymentRecordList{}
		if err := records.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			// Prometheus has no way to be told; the gauge returns with the cache.
			return 0
		}
		return float64(len(list.Items))
	})
	for _, collector := range []prometheus.Collector{m.deployments, m.calls, active} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}
