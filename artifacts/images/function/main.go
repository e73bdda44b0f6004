// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command function is the function that the examples run: an HTTP server that
// answers with what it was sent, after a service time that can be set, and
// measures itself.
//
// Environment:
//
//	PORT             port to listen on, default 8080
//	SERVICE_TIME_MS  time that a request takes, in milliseconds, default 0
//	MAX_CONCURRENCY  requests served at once, further ones wait; default no limit
//	FUNCTION_KEY, DEPLOYMENT_ID, ENVIRONMENT
//	                 what the class runtime tells a function about itself
//	ODGM_ENDPOINT and others that start with ODGM_
//	                 the data grid of the class, if it has one: GET /grid tells which
//	                 it is, and whether it can be reached
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	// writeTimeout leaves room for the longest service time and a wait for a
	// free slot.
	writeTimeout = maxServiceTime + 30*time.Second
	// shutdownTimeout stays below the 30 s that Kubernetes gives a pod to end.
	shutdownTimeout = 20 * time.Second
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, log); err != nil {
		log.Error("the function failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	c, err := configFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	log.Info("serving", "address", listener.Addr().String(), "function", c.Function, "deployment", c.DeploymentID)
	return serve(ctx, listener, newFunction(c))
}

// serve answers until ctx ends, then lets requests in progress finish.
func serve(ctx context.Context, listener net.Listener, f *function) error {
	server := &http.Server{
		Handler:           f.handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	// HTTP/2 without TLS, for functions that are declared to need it.
	server.Protocols.SetUnencryptedHTTP2(true)

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	// The endpoint goes first, so that no new request is sent here.
	f.stopping.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("waiting for requests in progress: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
