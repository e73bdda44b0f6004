// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metricsource reaches the Prometheus that measures what the cluster runs.
package metricsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"k8s.io/utils/clock"
)

// Defaults of Options.
const (
	defaultInterval = 10 * time.Second
	defaultTimeout  = 5 * time.Second
)

// question costs Prometheus nothing, and only what evaluates queries can answer it.
const question = "1"

// Options are what a source works with.
type Options struct {
	// URL of the server, as config.Prometheus describes it.
	URL string
	// Interval between questions whether it answers; 10 seconds unless set.
	Interval time.Duration
	// Timeout of a question; 5 seconds unless set.
	Timeout time.Duration
	// Clock tells the time.
	Clock clock.WithTicker
	// Metrics is where the gauge crm_prometheus_up is registered.
	Metrics prometheus.Registerer
	// Log is where it is told when the server ceases to answer, and when it does again.
	Log logr.Logger
}

// Source is a Prometheus.
type Source struct {
	options   Options
	transport *guard
	prom      promv1.API
	// up has no value until the server was asked.
	up *prometheus.GaugeVec
	// last is what the latest question led to; nil before the first.
	last atomic.Pointer[answer]
}

// answer is what a question led to.
type answer struct {
	// err is why there was none; nil where there was.
	err error
}

// New returns a source that looks after its server once it is started.
func New(options Options) (*Source, error) {
	address, err := url.Parse(options.URL)
	if err != nil {
		// The error of url.Parse has the whole text, and with it a password.
		return nil, errors.New("PROM_URL is not a URL")
	}
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	if options.Timeout == 0 {
		options.Timeout = defaultTimeout
	}
	s := &Source{options: options, transport: newGuard(address.User)}
	// From here on nobody has the credentials but the guard.
	address.User = nil
	s.options.URL = address.String()
	server, err := api.NewClient(api.Config{Address: s.options.URL, Client: &http.Client{
		Transport: s.transport,
		// What answers by sending us elsewhere is not the server that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, fmt.Errorf("set up the client of Prometheus: %w", err)
	}
	s.prom = promv1.NewAPI(server)
	s.up = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "crm_prometheus_up",
		Help: "Whether the Prometheus of PROM_URL answered when it was last asked, 1 or 0; absent before that.",
	}, nil)
	if err := options.Metrics.Register(s.up); err != nil {
		return nil, fmt.Errorf("register the metric of Prometheus: %w", err)
	}
	return s, nil
}

// NeedLeaderElection tells the manager that copies which do not lead run it too:
// each has a readiness of its own.
func (*Source) NeedLeaderElection() bool { return false }

// Start asks the server whether it answers, at once and at each interval, until ctx
// ends.
func (s *Source) Start(ctx context.Context) error {
	defer s.transport.base.CloseIdleConnections()
	ticker := s.options.Clock.NewTicker(s.options.Interval)
	defer ticker.Stop()
	for {
		err := s.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.note(err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// Check tells what the latest question led to, and asks none itself: an error with
// the URL and the cause while the server does not answer.
func (s *Source) Check() error {
	last := s.last.Load()
	if last == nil {
		return fmt.Errorf("the Prometheus of PROM_URL %s has not been asked yet", s.options.URL)
	}
	return last.err
}

// ask returns nil when the server evaluates a query in time.
func (s *Source) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Timeout, fmt.Errorf("not within %s", s.options.Timeout))
	defer cancel()
	value, _, err := s.prom.Query(ctx, question, time.Time{})
	switch {
	case err != nil && ctx.Err() != nil:
		return s.fault(context.Cause(ctx))
	case err != nil:
		return s.fault(err)
	}
	if scalar, ok := value.(*model.Scalar); !ok || scalar.Value != 1 {
		return s.fault(fmt.Errorf("the query %s was answered with a %T", question, value))
	}
	return nil
}

func (s *Source) fault(cause error) error {
	return fmt.Errorf("the Prometheus of PROM_URL %s does not answer: %w", s.options.URL, cause)
}

// note tells what a question led to when that is news, and keeps it. Whoever hears of
// it from Check finds it in the metric and the log.
func (s *Source) note(err error) {
	defer s.last.Store(&answer{err: err})
	before := s.last.Load()
	if err == nil {
		s.up.WithLabelValues().Set(1)
	} else {
		s.up.WithLabelValues().Set(0)
	}
	switch {
	case before != nil && (before.err == nil) == (err == nil):
	case err == nil:
		s.options.Log.Info("Prometheus answers", "url", s.options.URL)
	default:
		s.options.Log.Error(err, "Prometheus does not answer", "url", s.options.URL)
	}
}
