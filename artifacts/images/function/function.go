// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxBody bounds the part of a request that is kept in memory, in bytes.
const maxBody = 1 << 20

// function answers requests and counts them.
type function struct {
	config   config
	hostname string
	// slots holds one element for each request being served; nil without limit.
	slots chan struct{}
	// stopping makes the function not ready.
	stopping atomic.Bool

	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newFunction(c config) *function {
	// A pod's host name is its own name. Without one, the answer just lacks it.
	hostname, _ := os.Hostname()
	labels := prometheus.Labels{"deployment_id": c.DeploymentID, "function": c.Function}
	f := &function{
		config:   c,
		hostname: hostname,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name:        "http_requests_total",
			Help:        "Requests that were answered, by HTTP status code.",
			ConstLabels: labels,
		}, []string{"code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:        "http_request_duration_seconds",
			Help:        "Time from the arrival of a request to the end of its answer, the wait for a free slot included.",
			ConstLabels: labels,
			Buckets:     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"code"}),
	}
	if c.MaxConcurrency > 0 {
		f.slots = make(chan struct{}, c.MaxConcurrency)
	}
	f.registry.MustRegister(f.requests, f.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

func (f *function) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", f.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /grid", f.grid)
	// Probes and scrapes stay out of the measurements.
	var echo http.Handler = http.HandlerFunc(f.echo)
	echo = promhttp.InstrumentHandlerDuration(f.duration, promhttp.InstrumentHandlerCounter(f.requests, echo))
	mux.Handle("GET /", echo)
	mux.Handle("POST /", echo)
	return mux
}

func (f *function) ready(w http.ResponseWriter, _ *http.Request) {
	if f.stopping.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// answer is what the function says to a request.
type answer struct {
	Body         string `json:"body"`
	Function     string `json:"function"`
	DeploymentID string `json:"deploymentID"`
	Environment  string `json:"environment"`
	Hostname     string `json:"hostname"`
}

func (f *function) echo(w http.ResponseWriter, r *http.Request) {
	serviceTime, err := f.serviceTime(r.URL.Query().Get("ms"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			http.Error(w, fmt.Sprintf("the body is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge)
		} else {
			http.Error(w, "the body could not be read", http.StatusBadRequest)
		}
		return
	}
	if !f.work(r, serviceTime) {
		return // nobody waits for the answer
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer{ //nolint:errcheck // fails only when nobody waits for the answer
		Body:         string(body),
		Function:     f.config.Function,
		DeploymentID: f.config.DeploymentID,
		Environment:  f.config.Environment,
		Hostname:     f.hostname,
	})
}

// serviceTime returns how long a request takes that asked for ms.
func (f *function) serviceTime(ms string) (time.Duration, error) {
	if ms == "" {
		return f.config.ServiceTime, nil
	}
	n, err := strconv.Atoi(ms)
	if limit := int(maxServiceTime.Milliseconds()); err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("ms is %q: send a whole number of milliseconds from 0 to %d", ms, limit)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// work takes a slot and the time; false if the caller gave up meanwhile.
func (f *function) work(r *http.Request, d time.Duration) bool {
	if f.slots != nil {
		select {
		case f.slots <- struct{}{}:
			defer func() { <-f.slots }()
		case <-r.Context().Done():
			return false
		}
	}
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
