// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

func TestTellsAboutTheDataGrid(t *testing.T) {
	noGRPC := httptest.NewUnstartedServer(http.NotFoundHandler())
	noGRPC.Config.Protocols = new(http.Protocols)
	noGRPC.Config.Protocols.SetUnencryptedHTTP2(true)
	noGRPC.Start()
	t.Cleanup(noGRPC.Close)

	tests := map[string]struct {
		endpoint string
		status   int
		want     string
	}{
		"without a grid it says so":                      {"", http.StatusNotFound, "ODGM_ENDPOINT is not set"},
		"a grid that answers":                            {startGRPC(t, true), http.StatusOK, ""},
		"a grid without the method answers, too":         {startGRPC(t, false), http.StatusOK, ""},
		"a grid that is away is told":                    {"http://127.0.0.1:1", http.StatusBadGateway, "calling the data grid"},
		"something else at the endpoint is told":         {noGRPC.URL, http.StatusBadGateway, "does not speak gRPC"},
		"an endpoint that is no URL is told by its name": {"::", http.StatusBadGateway, "ODGM_ENDPOINT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			grid := gridConfig{Endpoint: tt.endpoint, ClusterID: "d1-edge", NodeRole: "client", Collections: `["a"]`}
			server := startFunction(t, config{Grid: grid})
			status, content := call(t, http.MethodGet, server.URL+"/grid", "")
			if status != tt.status || !strings.Contains(content, tt.want) {
				t.Fatalf("%d %s, want %d with %q", status, content, tt.status, tt.want)
			}
			if tt.endpoint == "" {
				return
			}
			var got gridAnswer
			if err := json.Unmarshal([]byte(content), &got); err != nil || got.gridConfig != grid || (got.Problem == "") != (status == http.StatusOK) {
				t.Errorf("got %+v, error %v, want the grid %+v", got, err, grid)
			}
		})
	}
}

// startGRPC returns the address of a gRPC server.
func startGRPC(t *testing.T, healthy bool) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	if healthy {
		healthv1.RegisterHealthServer(server, health.NewServer())
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}
