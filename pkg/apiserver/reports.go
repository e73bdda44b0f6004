// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/packageservice"
	"oaas.io/oaas/pkg/registry/pm/runtimestates"
	"oaas.io/oaas/pkg/reports"
)

// ReportOptions say where Class Runtime Managers read packages and report, and
// how often what they report is written.
type ReportOptions struct {
	// BindAddress is where the gRPC server listens. Defaults to all addresses, of
	// IPv6 too where there is such.
	BindAddress net.IP
	// Port of the gRPC server; 0, the default, runs none: a server on a laptop needs
	// no second door.
	Port int
	// Interval is the least time between two writes of one runtime state. Defaults to
	// 10 s.
	Interval time.Duration
	// WritesPerSecond bounds the writes of all runtime states. Defaults to 200.
	WritesPerSecond float64
	// Listener is used instead of the address and port. Optional.
	Listener net.Listener
}

// NewReportOptions returns the defaults.
func NewReportOptions() *ReportOptions {
	return &ReportOptions{BindAddress: net.IPv4zero, Interval: reports.DefaultInterval, WritesPerSecond: reports.DefaultWritesPerSecond}
}

// AddFlags adds the flags to a flag set.
func (o *ReportOptions) AddFlags(fs *pflag.FlagSet) {
	fs.IPVar(&o.BindAddress, "grpc-bind-address", o.BindAddress,
		"Address on which Class Runtime Managers read packages and report how their units are doing.")
	fs.IntVar(&o.Port, "grpc-port", o.Port,
		"Port of --grpc-bind-address, such as 8090; 0 offers nothing there. Connections are secured by the certificate that the API is served with.")
	fs.DurationVar(&o.Interval, "report-write-interval", o.Interval,
		"Least time between two writes of one runtime state, however often its cluster reports. A change of the health is written within a second.")
	fs.Float64Var(&o.WritesPerSecond, "report-writes-per-second", o.WritesPerSecond, "Most writes of runtime states per second, of all together.")
}

// Enabled tells whether there is a gRPC server.
func (o *ReportOptions) Enabled() bool { return o.Port != 0 || o.Listener != nil }

// Validate returns everything that is wrong with the options.
func (o *ReportOptions) Validate() []error {
	var errs []error
	if o.Port < 0 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("--grpc-port is %d: use 1 to 65535, or 0 for none", o.Port))
	}
	if o.Interval < time.Second || o.Interval > time.Hour {
		errs = append(errs, fmt.Errorf("--report-write-interval is %s: use 1s to 1h", o.Interval))
	}
	if o.WritesPerSecond < 1 || o.WritesPerSecond > 1e5 {
		errs = append(errs, fmt.Errorf("--report-writes-per-second is %g: use 1 to 100000", o.WritesPerSecond))
	}
	return errs
}

// listen opens the port.
func (o *ReportOptions) listen(ctx context.Context) (net.Listener, error) {
	if o.Listener != nil {
		return o.Listener, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(o.BindAddress.String(), strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen on --grpc-bind-address and --grpc-port: %w", err)
	}
	return listener, nil
}

// errReports is why a server stopped that could not take reports.
var errReports = errors.New("the gRPC server failed")

// newReports sets up the gRPC server on the stores; nil when there is to be none.
func (c CompletedConfig) newReports(storage map[string]rest.Storage) (*packageservice.Server, error) {
	if !c.extra.Reports.Enabled() {
		return nil, nil
	}
	objects, err := packageservice.NewObjects(storage)
	if err != nil {
		return nil, err
	}
	states, ok := storage[resources.RuntimeStates].(*runtimestates.REST)
	if !ok {
		return nil, fmt.Errorf("the storage of %s is a %T", resources.RuntimeStates, storage[resources.RuntimeStates])
	}
	serving, clients := c.generic.SecureServing, c.generic.Authentication
	return packageservice.New(packageservice.Config{
		Objects: objects, States: states.States(),
		Bounds:        reports.Config{Interval: c.extra.Reports.Interval, WritesPerSecond: c.extra.Reports.WritesPerSecond},
		Authenticator: clients.Authenticator, Audiences: clients.APIAudiences, Authorizer: c.generic.Authorization.Authorizer,
		// The API server has the files read again when they change.
		Certificate: serving.Cert.CurrentCertKeyContent,
		TLS: &tls.Config{
			MinVersion: max(serving.MinTLSVersion, tls.VersionTLS12), CipherSuites: serving.CipherSuites, CurvePreferences: serving.CurvePreferences,
		},
		Metrics: legacyregistry.Registerer(),
		Log:     klog.Background().WithName("grpc"),
	})
}

// serveReports has the gRPC server run with the API server. It ends before the
// stores are closed, since what clusters have reported is written then. The
// returned function ends it where the API server never came so far.
func (s *Server) serveReports(ctx context.Context, fail func(error)) (func(), error) {
	if s.reports == nil {
		return func() {}, nil
	}
	listener, err := s.extra.Reports.listen(ctx)
	if err != nil {
		return nil, err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	err = s.Generic.AddPostStartHook("start-oaas-reports", func(genericapiserver.PostStartHookContext) error {
		running.Go(func() {
			if err := s.reports.Run(serving, listener); err != nil {
				fail(fmt.Errorf("%w: %w", errReports, err))
			}
		})
		return nil
	})
	if err == nil {
		err = s.Generic.AddPreShutdownHook("stop-oaas-reports", func() error {
			end()
			running.Wait()
			return nil
		})
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("run the gRPC server with the API server: %w", err)
	}
	return end, nil
}
