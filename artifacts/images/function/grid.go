// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	gridTimeout = 2 * time.Second
	// healthMethod is what the data grid is asked, with an empty message.
	healthMethod = "/grpc.health.v1.Health/Check"
)

// gridConfig is what the environment says of the data grid of the class.
type gridConfig struct {
	Endpoint  string `json:"endpoint"`
	ClusterID string `json:"clusterID"`
	NodeRole  string `json:"nodeRole"`
	// Collections are the names, as a JSON array.
	Collections     string `json:"collections"`
	AccessMode      string `json:"accessMode"`
	CachingStrategy string `json:"cachingStrategy"`
}

func gridFromEnv(getenv func(string) string) gridConfig {
	return gridConfig{
		Endpoint:        getenv("ODGM_ENDPOINT"),
		ClusterID:       getenv("ODGM_CLUSTER_ID"),
		NodeRole:        getenv("ODGM_NODE_ROLE"),
		Collections:     getenv("ODGM_COLLECTIONS"),
		AccessMode:      getenv("ODGM_ACCESS_MODE"),
		CachingStrategy: getenv("ODGM_CACHING_STRATEGY"),
	}
}

// gridAnswer is what the function says of the data grid.
type gridAnswer struct {
	gridConfig
	// Problem is why the grid does not answer; empty if it does.
	Problem string `json:"problem,omitempty"`
}

// grid tells which data grid the function has, and asks it whether it is there.
func (f *function) grid(w http.ResponseWriter, r *http.Request) {
	if f.config.Grid.Endpoint == "" {
		http.Error(w, "the function has no data grid: ODGM_ENDPOINT is not set", http.StatusNotFound)
		return
	}
	answer, status := gridAnswer{gridConfig: f.config.Grid}, http.StatusOK
	ctx, cancel := context.WithTimeout(r.Context(), gridTimeout)
	defer cancel()
	if err := callGrid(ctx, f.config.Grid.Endpoint); err != nil {
		answer.Problem, status = err.Error(), http.StatusBadGateway
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer) //nolint:errcheck // fails only when nobody waits for the answer
}

// callGrid makes one gRPC call. A data grid need not know the method: whatever it
// says of it, it is there.
func callGrid(ctx context.Context, endpoint string) error {
	// An empty message: not compressed, of length 0.
	frame := bytes.NewReader(make([]byte, 5))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+healthMethod, frame)
	if err != nil {
		return fmt.Errorf("ODGM_ENDPOINT: %w", err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	// A connection of its own, which shows that one can be made now.
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("calling the data grid: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("reading the answer of the data grid: %w", err)
	}
	// The status comes behind the message, or with the headers where there is none.
	if response.Trailer.Get("Grpc-Status") == "" && response.Header.Get("Grpc-Status") == "" {
		return fmt.Errorf("%s does not speak gRPC: it answered %s", endpoint, response.Status)
	}
	return nil
}
