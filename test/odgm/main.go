// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command odgm stands in for a node of the object data grid in tests: it reads the
// environment as strictly as the real program, refuses to start on what that would
// refuse or crash on, and answers for its health and its grid. It keeps no objects.
//
// It exits with 2 and one line on an environment that it refuses, and with 1 and one
// line on everything else that keeps it from serving.
//
// Environment beyond that of a node:
//
//	ODGM_DATA_DIR  folder of the node's data, default /data/collections; where it
//	               exists, the node leaves its id there, and refuses the data of
//	               another node
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"oaas.io/oaas/pkg/crm/odgm/env"
	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
)

const (
	exitFailed  = 1
	exitRefused = 2
	// shutdownTimeout stays below the 30 s that Kubernetes gives a pod to end.
	shutdownTimeout = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Getenv)
	stop()
	os.Exit(code)
}

// run serves until ctx ends and returns the exit code.
func run(ctx context.Context, getenv func(string) string) int {
	config, err := env.Read(getenv)
	if err == nil {
		err = claimData(dataDir(getenv), config.NodeID)
	}
	if err != nil {
		say("refusing to start", err)
		return exitRefused
	}
	if err := serve(ctx, config, getenv("ODGM_CLUSTER_ID")); err != nil {
		say("failed", err)
		return exitFailed
	}
	return 0
}

// say prints one line, however many errors there are.
func say(what string, err error) {
	fmt.Fprintf(os.Stderr, "odgm: %s: %s\n", what, strings.ReplaceAll(err.Error(), "\n", "; "))
}

// serve answers on the node's port until ctx ends.
func serve(ctx context.Context, config *env.Config, clusterID string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(int(config.HTTPPort))))
	if err != nil {
		return fmt.Errorf("listening on ODGM_HTTP_PORT: %w", err)
	}
	server := grpc.NewServer()
	healthy := health.NewServer()
	healthv1.RegisterHealthServer(server, healthy)
	odgmv1.RegisterGridInfoServiceServer(server, &grid{config: config, clusterID: clusterID})
	if config.Reflection {
		reflection.Register(server)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(os.Stderr, "odgm: node %d of %v serves %d collections on %s\n",
		config.NodeID, config.Members, len(config.Collections), listener.Addr())
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	healthy.Shutdown()
	end := time.AfterFunc(shutdownTimeout, server.Stop)
	defer end.Stop()
	server.GracefulStop()
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
