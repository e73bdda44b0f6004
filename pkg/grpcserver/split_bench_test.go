// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"oaas.io/oaas/pkg/grpcserver"
)

// BenchmarkCall is a call of gRPC with HTTP on the same port and without: the two
// are to be the same.
func BenchmarkCall(b *testing.B) {
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("HTTP on the port %t", shared), func(b *testing.B) {
			server := grpcserver.New(grpcserver.Config{
				Admit:   func(ctx context.Context, _ string) (context.Context, string, error) { return ctx, "somebody", nil },
				Observe: func(string, string, time.Duration) {},
				Log:     logr.Discard(),
			})
			if shared {
				server.HandleHTTP(http.NotFoundHandler())
			}
			listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- server.ServeUntil(ctx, listener, nil) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					b.Error(err)
				}
			}()
			conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			health := healthv1.NewHealthClient(conn)
			for b.Loop() {
				if _, err := health.Check(b.Context(), &healthv1.HealthCheckRequest{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
