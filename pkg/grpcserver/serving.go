// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// serving is what the gRPC server listens on, and how to stop what shares the
// listener with it.
type serving struct {
	listener net.Listener
	end      func()
}

// share gives the gRPC server the whole listener, or its part of it where HTTP is
// answered too.
func (s *Server) share(ctx context.Context, listener net.Listener) serving {
	if s.http == nil {
		return serving{listener, func() {}}
	}
	split := newSplitter(listener, s.tls, s.log)
	server := newHTTPServer(s.http, s.log)
	go split.run(ctx)
	go func() {
		if err := server.Serve(split.http); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error(err, "HTTP is no longer answered")
		}
	}()
	return serving{split.grpc, func() {
		_ = listener.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		// A call that came over HTTP cannot be told to go elsewhere as gRPC's own can;
		// when none is left, the gRPC server may drain.
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
			s.grpc.Stop()
		}
	}}
}
