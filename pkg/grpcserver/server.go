// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

const (
	// MaxMessage is the largest message in bytes, either way.
	MaxMessage = 4 << 20
	// MaxDeadline is the longest that a unary call may take, also where the caller
	// sets no deadline.
	MaxDeadline = 30 * time.Second
	// leastPing is how often an idle caller may ping; more often is cut off.
	leastPing = 10 * time.Second
	// ping is how often the server makes sure that a silent caller is there.
	ping = 30 * time.Second
	// maxStreams is the number of calls that one connection carries at a time.
	maxStreams = 1000
	// maxConnection is how long a caller may go on without showing its credentials
	// again. A watch is admitted once; its caller resumes it on a new connection,
	// unless the token has expired or the certificate is no longer trusted.
	maxConnection = 30 * time.Minute
	// stopGrace is how long running calls get when the program ends.
	stopGrace = 10 * time.Second
)

// Config is what a server is made of.
type Config struct {
	// Admit decides about every call before it is handled. It returns the context of
	// the call and the caller's name for logs, or a gRPC status.
	Admit func(ctx context.Context, method string) (context.Context, string, error)
	// Observe gets the method, the gRPC code and the duration of every call.
	Observe func(method, code string, duration time.Duration)
	// TLS of connections; nil for plain text.
	TLS *tls.Config
	// Log is where calls are logged.
	Log logr.Logger
}

// Server serves gRPC. Services are registered before ServeUntil is called.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	tls    *tls.Config
	http   http.Handler
	log    logr.Logger
}

// New returns a server that answers health checks and reflection and nothing else
// yet.
func New(config Config) *Server {
	options := append(interceptors(config),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: ping, Timeout: ping / 3,
			MaxConnectionAge: maxConnection, MaxConnectionAgeGrace: MaxDeadline,
		}),
	)
	if config.TLS != nil {
		options = append(options, grpc.Creds(handshaken{credentials.NewTLS(config.TLS)}))
	}
	s := &Server{grpc: grpc.NewServer(options...), health: health.NewServer(), tls: config.TLS, log: config.Log}
	healthv1.RegisterHealthServer(s, s.health)
	reflection.Register(s)
	return s
}

// GetServiceInfo tells which services were registered.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// HandleHTTP also answers HTTP on the same port: HTTP/1.1, and HTTP/2 on connections
// that do not begin with a call of gRPC. It is called before ServeUntil.
func (s *Server) HandleHTTP(handler http.Handler) { s.http = handler }

// ServeUntil answers calls until ctx ends, then lets running calls finish for a
// short while. Callers see NOT_SERVING first and go elsewhere; ending is called
// then, for calls that would not end by themselves, and may be nil.
func (s *Server) ServeUntil(ctx context.Context, listener net.Listener, ending func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for name := range s.GetServiceInfo() {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	serving := s.share(ctx, listener)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		s.health.Shutdown()
		if ending != nil {
			ending()
		}
		force := time.AfterFunc(stopGrace, s.grpc.Stop)
		defer force.Stop()
		serving.end()
		s.grpc.GracefulStop()
	}()
	s.log.Info("serving", "address", listener.Addr().String())
	err := s.grpc.Serve(serving.listener)
	cancel()
	<-stopped
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}
