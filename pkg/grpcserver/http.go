// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// idleHTTP is how long a connection stays without a request.
const idleHTTP = 2 * time.Minute

// connKey finds the connection of a request in its context.
type connKey struct{}

// connOfRequest is what a request's connection has to tell.
type connOfRequest struct {
	*acceptedConn

	since time.Time
}

// newHTTPServer answers HTTP/1.1 and HTTP/2 on connections that were accepted, and
// tells the handler of their TLS.
func newHTTPServer(handler http.Handler, logger logr.Logger) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	// TLS is done already where there is any.
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           bounded(handler),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: ping, PingTimeout: ping / 3},
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       idleHTTP,
		MaxHeaderBytes:    maxFirstHeaders,
		// What net/http has to say is about callers that misbehave.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(logger.WithName("http").V(1)), slog.LevelInfo),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			accepted, ok := conn.(*acceptedConn)
			if !ok {
				return ctx
			}
			return context.WithValue(ctx, connKey{}, connOfRequest{accepted, time.Now()})
		},
	}
}

// errAged ends a stream that is as old as a connection of gRPC may become.
var errAged = status.Error(codes.Unavailable, "the stream has lasted as long as a connection may: resume it")

// bounded puts the bounds of gRPC calls on requests: on the time that their body
// takes, on the age of their connection, and on the time that their answer takes,
// since a stream is admitted once and a caller may take in as little as it likes.
func bounded(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeoutCause(r.Context(), maxConnection, errAged)
		defer cancel()
		r = r.WithContext(ctx)
		if conn, ok := r.Context().Value(connKey{}).(connOfRequest); ok {
			r.TLS = conn.tls
			if time.Since(conn.since) > maxConnection {
				w.Header().Set("Connection", "close")
			}
		}
		control := http.NewResponseController(w)
		// Not every connection can; the context holds all the same.
		_ = control.SetWriteDeadline(time.Now().Add(maxConnection + MaxDeadline))
		if err := control.SetReadDeadline(time.Now().Add(MaxDeadline)); err == nil {
			r.Body = &timedBody{ReadCloser: r.Body, done: func() { _ = control.SetReadDeadline(time.Time{}) }}
		}
		handler.ServeHTTP(w, r)
	})
}

// timedBody lifts the bound once it was read, as an answer may be a long stream.
type timedBody struct {
	io.ReadCloser

	done func()
}

// Read reads the body.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.done()
	}
	return n, err
}
