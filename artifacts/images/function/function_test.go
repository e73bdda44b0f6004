// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConfigFromEnv(t *testing.T) {
	tests := map[string]struct {
		env     map[string]string
		want    config
		problem string
	}{
		"an empty environment gives the defaults": {want: config{Port: 8080}},
		"everything can be set": {
			env: map[string]string{
				"PORT": "9000", "SERVICE_TIME_MS": "250", "MAX_CONCURRENCY": "4",
				"FUNCTION_KEY": "Record.echo", "DEPLOYMENT_ID": "d1", "ENVIRONMENT": "edge",
				"ODGM_ENDPOINT": "http://localhost:8079", "ODGM_CLUSTER_ID": "d1-edge", "ODGM_NODE_ROLE": "client",
				"ODGM_COLLECTIONS": `["Record_data"]`, "ODGM_ACCESS_MODE": "ReadOnly", "ODGM_CACHING_STRATEGY": "None",
			},
			want: config{
				Port: 9000, ServiceTime: 250 * time.Millisecond, MaxConcurrency: 4,
				Function: "Record.echo", DeploymentID: "d1", Environment: "edge",
				Grid: gridConfig{
					Endpoint: "http://localhost:8079", ClusterID: "d1-edge", NodeRole: "client",
					Collections: `["Record_data"]`, AccessMode: "ReadOnly", CachingStrategy: "None",
				},
			},
		},
		"a port out of range is refused by name":      {env: map[string]string{"PORT": "70000"}, problem: `PORT is "70000"`},
		"a service time that is no number is refused": {env: map[string]string{"SERVICE_TIME_MS": "1s"}, problem: `SERVICE_TIME_MS is "1s"`},
		"a service time beyond the bound is refused":  {env: map[string]string{"SERVICE_TIME_MS": "30001"}, problem: "from 0 to 30000"},
		"a negative number of slots is refused":       {env: map[string]string{"MAX_CONCURRENCY": "-1"}, problem: "MAX_CONCURRENCY"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := configFromEnv(func(key string) string { return tt.env[key] })
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("error %v, want one with %q", err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestEchoSaysWhatItWasSentAndWhoItIs(t *testing.T) {
	server := startFunction(t, config{Function: "Record.echo", DeploymentID: "d1", Environment: "edge"})
	for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: "hello"} {
		status, content := call(t, method, server.URL+"/any/path", body)
		var got answer
		if err := json.Unmarshal([]byte(content), &got); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s (%v)", method, status, content, err)
		}
		if got.Hostname == "" {
			t.Errorf("%s: the answer lacks the host name", method)
		}
		got.Hostname = ""
		if want := (answer{Body: body, Function: "Record.echo", DeploymentID: "d1", Environment: "edge"}); got != want {
			t.Errorf("%s: got %+v, want %+v", method, got, want)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	server := startFunction(t, config{})
	tests := map[string]struct {
		method, path, body string
		want               int
	}{
		"a service time beyond the bound":  {http.MethodGet, "/?ms=30001", "", http.StatusBadRequest},
		"a service time that is no number": {http.MethodGet, "/?ms=soon", "", http.StatusBadRequest},
		"a body that is too large":         {http.MethodPost, "/", strings.Repeat("x", maxBody+1), http.StatusRequestEntityTooLarge},
		"another method":                   {http.MethodDelete, "/", "", http.StatusMethodNotAllowed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if status, content := call(t, tt.method, server.URL+tt.path, tt.body); status != tt.want {
				t.Errorf("%d %s, want %d", status, content, tt.want)
			}
		})
	}
}

func TestServiceTime(t *testing.T) {
	tests := map[string]struct {
		path string
		want time.Duration
	}{
		"the configured time applies": {"/", 40 * time.Millisecond},
		"a request can ask for more":  {"/?ms=80", 80 * time.Millisecond},
	}
	server := startFunction(t, config{ServiceTime: 40 * time.Millisecond})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if status, content := call(t, http.MethodGet, server.URL+tt.path, ""); status != http.StatusOK {
				t.Fatalf("%d %s", status, content)
			}
			if took := time.Since(start); took < tt.want {
				t.Errorf("answered after %s, want at least %s", took, tt.want)
			}
		})
	}
}

func TestMoreRequestsThanSlotsWait(t *testing.T) {
	const each = 30 * time.Millisecond
	server := startFunction(t, config{ServiceTime: each, MaxConcurrency: 1})
	start := time.Now()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			response, err := http.Get(server.URL) //nolint:noctx // the server ends with the test
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
		})
	}
	wg.Wait()
	if took := time.Since(start); took < 3*each {
		t.Errorf("three requests through one slot took %s, want at least %s", took, 3*each)
	}
}

func TestMetricsMeasureRequestsButNotProbes(t *testing.T) {
	server := startFunction(t, config{Function: "echo", DeploymentID: "d1"})
	call(t, http.MethodPost, server.URL, "x")
	call(t, http.MethodGet, server.URL+"/healthz", "")
	call(t, http.MethodGet, server.URL+"/readyz", "")
	_, metrics := call(t, http.MethodGet, server.URL+"/metrics", "")
	for _, want := range []string{
		`http_requests_total{code="200",deployment_id="d1",function="echo"} 1`,
		`http_request_duration_seconds_count{code="200",deployment_id="d1",function="echo"} 1`,
		`http_request_duration_seconds_bucket{code="200",deployment_id="d1",function="echo",le="0.005"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestShutdownFinishesRequestsInProgress(t *testing.T) {
	f := newFunction(config{ServiceTime: 2 * time.Second, MaxConcurrency: 1})
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, f) }()

	statuses := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String()) //nolint:noctx // ends with the server
		if err != nil {
			statuses <- 0
			return
		}
		response.Body.Close()
		statuses <- response.StatusCode
	}()
	for len(f.slots) == 0 { // until the request is being served
		select {
		case status := <-statuses:
			t.Fatalf("the request ended with %d before anybody saw it", status)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if status := <-statuses; status != http.StatusOK {
		t.Errorf("the request in progress got %d, want 200", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("shutting down: %v", err)
	}
	recorder := httptest.NewRecorder()
	f.ready(recorder, nil)
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("ready says %d after shutdown, want 503", recorder.Code)
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, newFunction(config{})) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	response, err := (&http.Client{Transport: transport}).Get("http://" + listener.Addr().String()) //nolint:noctx // ends with the server
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.ProtoMajor != 2 {
		t.Errorf("answered with %s, want HTTP/2", response.Proto)
	}
	transport.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("shutting down: %v", err)
	}
}

func startFunction(t *testing.T, c config) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(newFunction(c).handler())
	t.Cleanup(server.Close)
	return server
}

func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}
