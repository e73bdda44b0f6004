// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crm puts the Class Runtime Manager together: settings in, a running
// program out.
package crm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	crdfiles "oaas.io/oaas/artifacts/crds"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/crds"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/crm/report"
	"oaas.io/oaas/pkg/crm/server"
	"oaas.io/oaas/pkg/version"
)

const (
	// leaseName is the Lease that the copies of the program compete for.
	leaseName = "oaas-crm"
	// namespaceFile names the namespace that a pod runs in.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	// leaseNamespaceOutside holds the Lease of a program that runs outside of a pod;
	// every cluster has it.
	leaseNamespaceOutside = "kube-system"
	// shutdownTimeout is how long running calls and passes get at the end.
	shutdownTimeout = 20 * time.Second
)

// Run runs the Class Runtime Manager of the cluster that kube reaches until ctx
// ends, which is no error.
func Run(ctx context.Context, settings config.Config, kube *rest.Config, log logr.Logger) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	kube = rest.CopyConfig(kube)
	// Requests are kept in bounds by the API server's own priority and fairness.
	kube.QPS = -1
	kube.UserAgent = "oaas-crm/" + version.Get().Version
	if err := ensureCRDs(ctx, settings.CRDs, kube, scheme); err != nil {
		return err
	}

	registry := prometheus.NewRegistry()
	mgr, err := manager.New(kube, manager.Options{
		Scheme:  scheme,
		Logger:  log,
		Cache:   cacheOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Probes answer from the first moment; readiness is ours to tell.
		HealthProbeBindAddress:        settings.HealthAddress,
		LeaderElection:                settings.Features.LeaderElection,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       leaseNamespace(),
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(shutdownTimeout),
	})
	if err != nil {
		return fmt.Errorf("set up manager: %w", err)
	}

	if err := applyTemplates(ctx, mgr); err != nil {
		return err
	}
	known, err := newChildren(mgr)
	if err != nil {
		return err
	}
	plans := newBlueprint(mgr, settings, known)
	ledger := newLedger(mgr, settings, plans.Demand)
	gate := &quota.Gate{Cache: mgr.GetCache(), Ledger: ledger}
	if err := errors.Join(
		addRecords(mgr, settings, known, plans, gate, registry),
		addTemplates(mgr, settings, known),
		addEnvironments(ctx, mgr, settings, ledger),
	); err != nil {
		return err
	}
	calls, err := server.New(ctx, server.Options{
		Settings:     settings,
		Environments: environmentDefaults(settings),
		Ledger:       ledger,
		Renderer:     plans,
		Kube:         kube,
		Cache:        mgr.GetCache(),
		Client:       mgr.GetClient(),
		Live:         mgr.GetAPIReader(),
		Clock:        clock.RealClock{},
		Metrics:      registry,
		Log:          log.WithName("grpc"),
	})
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.Add(calls), addMetrics(mgr, settings, registry), addProbes(mgr, calls), addPrometheus(mgr, settings, registry)); err != nil {
		return err
	}
	if settings.Report.Endpoint != "" {
		reporter := report.New(report.Options{
			Settings: settings.Report, Security: settings.Security, Cache: mgr.GetCache(), Clock: clock.RealClock{}, Log: log.WithName("report"),
		})
		if err := mgr.Add(reporter); err != nil {
			return fmt.Errorf("set up reports: %w", err)
		}
	}
	if err := addWebhooks(mgr, settings, kube, ledger, log.WithName("admission")); err != nil {
		return err
	}
	log.Info("starting", "version", version.Get().Version, "profile", settings.Profile,
		"grpc", settings.GRPCAddress, "leaderElection", settings.Features.LeaderElection, "mtls", settings.Security.MTLS)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("set up scheme: %w", err)
	}
	return scheme, nil
}

func ensureCRDs(ctx context.Context, mode config.CRDMode, kube *rest.Config, scheme *runtime.Scheme) error {
	direct, err := client.New(kube, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("reach the API server at %s: %w", kube.Host, err)
	}
	if mode == config.CRDsCheck {
		return crds.Check(ctx, direct, crdfiles.Files)
	}
	return crds.Apply(ctx, direct, crdfiles.Files)
}

func leaseNamespace() string {
	content, err := os.ReadFile(namespaceFile)
	if namespace := strings.TrimSpace(string(content)); err == nil && namespace != "" {
		return namespace
	}
	return leaseNamespaceOutside
}

// addProbes makes the program ready once it answers calls, for which caches must
// be in sync and definitions served.
func addProbes(mgr manager.Manager, calls *server.Server) error {
	alive := func(*http.Request) error { return nil }
	var ready atomic.Bool
	return errors.Join(
		mgr.AddHealthzCheck("ping", alive),
		mgr.AddReadyzCheck("grpc", func(*http.Request) error {
			if ready.Load() || calls.Serving() {
				ready.Store(true)
				return nil
			}
			return errors.New("the gRPC server does not answer yet")
		}),
	)
}

// addMetrics serves the program's own metrics beside controller-runtime's, whose
// registry is global.
func addMetrics(mgr manager.Manager, settings config.Config, own *prometheus.Registry) error {
	if settings.MetricsAddress == "0" {
		return nil
	}
	return mgr.Add(&metricsServer{
		address: settings.MetricsAddress, gatherer: prometheus.Gatherers{crmetrics.Registry, own}, profiling: settings.Features.Profiling,
	})
}
