// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server is the gRPC side of the Class Runtime Manager: it writes
// deployment records and tells how they are doing. What records ask for is done
// by the reconciler; the two meet in the records alone.
package server

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/crm/availability"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/gateway"
	"oaas.io/oaas/pkg/crm/quota"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/grpcauth"
	"oaas.io/oaas/pkg/grpcserver"
)

// Options are what a server works with.
type Options struct {
	// Settings of the program.
	Settings config.Config
	// Environments are the defaults of all environments.
	Environments environment.Defaults
	// Ledger keeps the quotas of environments.
	Ledger *quota.Ledger
	// Renderer answers RenderDeployment; nil leaves it unanswered.
	Renderer Renderer
	// Kube reaches the API server.
	Kube *rest.Config
	// Cache holds records, nodes and pods.
	Cache cache.Cache
	// Client writes records and reads them from Cache.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Metrics takes the server's metrics.
	Metrics prometheus.Registerer
	// Log is where calls are logged.
	Log logr.Logger
}

// Server answers the Package Manager.
type Server struct {
	options Options
	grpc    *grpcserver.Server
	tls     *serverTLS
	nodes   *nodeTracker
	serving atomic.Bool
	// ending is closed when the server begins to stop.
	ending chan struct{}
}

// New sets up a server that answers once it is started. The context bounds the
// setting up.
func New(ctx context.Context, options Options) (*Server, error) {
	clientset, err := kubernetes.NewForConfig(options.Kube)
	if err != nil {
		return nil, fmt.Errorf("set up gRPC server: %w", err)
	}
	watching, err := client.NewWithWatch(options.Kube, client.Options{Scheme: options.Client.Scheme(), Mapper: options.Client.RESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("set up gRPC server: %w", err)
	}
	if err := indexRecords(ctx, options.Cache); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(options.Metrics, options.Cache)
	if err != nil {
		return nil, err
	}
	security := options.Settings.Security
	s := &Server{options: options, ending: make(chan struct{})}
	if s.tls, err = newServerTLS(security); err != nil {
		return nil, err
	}
	open := options.Settings.Profile == config.ProfileDev && !security.MTLS
	if open {
		options.Log.Info("WARNING: callers without a certificate and without a token may do everything; set SECURITY_MTLS or use another profile")
	}
	guard := newGuard(guardOptions{
		allowedNames: security.AllowedNames,
		open:         open,
		tokens:       grpcauth.NewTokens(grpcauth.NewClusterReviewer(clientset), options.Clock),
		limits:       grpcauth.NewLimits(options.Clock, grpcauth.CallsPerSecond, grpcauth.CallBurst),
	})
	s.nodes = &nodeTracker{cache: options.Cache, tracker: availability.New(options.Clock)}

	serving := grpcserver.Config{Admit: guard.admit, Observe: metrics.observeCall, Log: options.Log}
	if s.tls != nil {
		serving.TLS = s.tls.config()
	}
	s.grpc = grpcserver.New(serving)
	deploymentv1.RegisterDeploymentServiceServer(s.grpc, &deployments{
		environments: options.Environments,
		ledger:       options.Ledger,
		renderer:     options.Renderer,
		client:       options.Client,
		live:         options.Live,
		watching:     watching,
		metrics:      metrics,
		ending:       s.ending,
	})
	crmv1.RegisterCrmInfoServiceServer(s.grpc, &info{
		cache:   options.Cache,
		version: discovery.NewDiscoveryClient(clientset.RESTClient()),
		nodes:   s.nodes,
		clock:   options.Clock,
	})
	others, err := gateway.New(s.grpc)
	if err != nil {
		return nil, err
	}
	s.grpc.HandleHTTP(others)
	return s, nil
}

// NeedLeaderElection tells the manager that copies which do not lead answer too.
func (*Server) NeedLeaderElection() bool { return false }

// Serving tells whether calls are answered.
func (s *Server) Serving() bool { return s.serving.Load() }

// Start answers calls until ctx ends. The manager calls it when its caches are in
// sync.
func (s *Server) Start(ctx context.Context) error {
	// A cache that is asked for the first time during a call would make it wait.
	for _, object := range cachedObjects() {
		if _, err := s.options.Cache.GetInformer(ctx, object); err != nil {
			return fmt.Errorf("fill cache of %T: %w", object, err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Settings.GRPCAddress)
	if err != nil {
		return fmt.Errorf("serve gRPC on GRPC_ADDRESS %s: %w", s.options.Settings.GRPCAddress, err)
	}
	return s.serve(ctx, listener)
}

func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.tls != nil {
		s.tls.watch(ctx, s.options.Log)
	}
	go s.nodes.run(ctx)
	s.serving.Store(true)
	return s.grpc.ServeUntil(ctx, listener, func() {
		s.serving.Store(false)
		close(s.ending)
	})
}
