// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"

	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/grpcserver"
	"oaas.io/oaas/pkg/reports"
)

// Config is what a server works with.
type Config struct {
	// Objects are the packages, class deployments and clusters.
	Objects *Objects
	// States holds the runtime states.
	States reports.Store
	// Bounds of writing runtime states; Store, Units and Clock are set by the server.
	Bounds reports.Config
	// Authenticator knows the users of the API.
	Authenticator authenticator.Request
	// Audiences are the ones that a token may be meant for. Optional.
	Audiences authenticator.Audiences
	// Authorizer knows what users of the API may do.
	Authorizer authorizer.UnconditionalAuthorizer
	// Certificate returns the present certificate and key of the server, PEM.
	Certificate func() (certificate, key []byte)
	// TLS are further settings of connections, such as the least version. Optional.
	TLS *tls.Config
	// Clock tells the time. Defaults to the real one.
	Clock clock.WithTicker
	// Metrics takes the server's metrics.
	Metrics prometheus.Registerer
	// Log is where calls are logged.
	Log logr.Logger
}

// Server answers Class Runtime Managers.
type Server struct {
	grpc     *grpcserver.Server
	recorder *reports.Recorder
}

// New sets up a server.
func New(config Config) (*Server, error) {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	metrics, err := newMetrics(config.Metrics)
	if err != nil {
		return nil, err
	}
	bounds := config.Bounds
	bounds.Store, bounds.Units, bounds.Clock = config.States, config.Objects, config.Clock
	if bounds.Metrics == nil {
		bounds.Metrics = reports.NewCounters()
	}
	if bounds.Metrics, err = register(config.Metrics, bounds.Metrics); err != nil {
		return nil, err
	}
	recorder := reports.New(bounds)
	callers := newCallers(config.Objects, &api{
		UnconditionalAuthorizer: config.Authorizer, requests: config.Authenticator, audiences: config.Audiences,
	}, config.Clock)
	server := grpcserver.New(grpcserver.Config{
		Admit: callers.admit, Observe: metrics.observe, TLS: tlsConfig(config.TLS, config.Certificate), Log: config.Log,
	})
	packagev1.RegisterPackageServiceServer(server, &service{
		callers: callers, objects: config.Objects, recorder: recorder, clock: config.Clock, metrics: metrics,
	})
	return &Server{grpc: server, recorder: recorder}, nil
}

// Run answers calls until ctx ends, and returns when running calls have ended and
// all that was accepted is written.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	// Calls must be over before the recorder writes the rest.
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var recorder sync.WaitGroup
	recorder.Go(func() { s.recorder.Run(writing) })
	err := s.grpc.ServeUntil(ctx, listener, nil)
	stop()
	recorder.Wait()
	return err
}

// errNoCertificate refuses connections until there is a certificate to show.
var errNoCertificate = errors.New("the server has no certificate yet")

// tlsConfig shows the present certificate and asks callers for theirs. Whose a
// caller's is depends on the Clusters, so that it is verified with the calls.
func tlsConfig(base *tls.Config, current func() (certificate, key []byte)) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		config = base.Clone()
	}
	config.ClientAuth = tls.RequestClientCert
	shown := &shownCertificate{current: current}
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.get() }
	return config
}

// shownCertificate parses a certificate when it changes.
type shownCertificate struct {
	current func() (certificate, key []byte)

	mu               sync.Mutex
	certificate, key []byte
	parsed           *tls.Certificate
}

func (s *shownCertificate) get() (*tls.Certificate, error) {
	certificate, key := s.current()
	if len(certificate) == 0 {
		return nil, errNoCertificate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parsed != nil && bytes.Equal(s.certificate, certificate) && bytes.Equal(s.key, key) {
		return s.parsed, nil
	}
	parsed, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("the serving certificate: %w", err)
	}
	s.certificate, s.key, s.parsed = certificate, key, &parsed
	return s.parsed, nil
}
