// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// handshakeTimeout is how long a caller may take for the TLS handshake, and for
	// the first bytes of its first request.
	handshakeTimeout = 10 * time.Second
	protocolHTTP1    = "http/1.1"
	protocolHTTP2    = "h2"
)

// splitter hands each connection of a listener to the gRPC server or to the HTTP
// server. It decides once for each connection, so calls cost what they cost without
// it.
type splitter struct {
	listener net.Listener
	// tls of connections; nil for plain text.
	tls  *tls.Config
	log  logr.Logger
	grpc *queue
	http *queue
}

func newSplitter(listener net.Listener, config *tls.Config, log logr.Logger) *splitter {
	return &splitter{
		listener: listener, tls: bothProtocols(config), log: log,
		grpc: newQueue(listener.Addr()), http: newQueue(listener.Addr()),
	}
}

// run accepts connections until the listener is closed. What ends it otherwise ends
// the gRPC server too.
func (s *splitter) run(ctx context.Context) {
	var pause time.Duration
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			// The servers end by themselves.
			return
		case err != nil && temporary(err):
			// Out of file descriptors: others will be given back.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Error(err, "Cannot accept a connection now")
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		case err != nil:
			s.grpc.fail(err)
			return
		default:
			pause = 0
			go s.route(ctx, conn)
		}
	}
}

func temporary(err error) bool {
	var netError interface{ Temporary() bool }
	return errors.As(err, &netError) && netError.Temporary()
}

// route finds out what a connection speaks and hands it over.
func (s *splitter) route(ctx context.Context, conn net.Conn) {
	accepted, err := s.accept(ctx, conn)
	if err != nil {
		s.log.V(1).Info("connection refused", "caller", conn.RemoteAddr().String(), "reason", err.Error())
		_ = conn.Close()
		return
	}
	to := s.http
	if accepted.grpc {
		to = s.grpc
	}
	if !to.put(accepted) {
		_ = accepted.Close()
	}
}

func (s *splitter) accept(ctx context.Context, conn net.Conn) (*acceptedConn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	accepted := &acceptedConn{Conn: conn}
	if s.tls != nil {
		secured := tls.Server(conn, s.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		accepted.Conn, accepted.tls = secured, new(secured.ConnectionState())
		if accepted.tls.NegotiatedProtocol == protocolHTTP1 {
			return accepted, nil
		}
	}
	return accepted, accepted.sniff()
}

// bothProtocols offers HTTP/2 and HTTP/1.1 to callers, also where the configuration
// is another for each of them.
func bothProtocols(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	for _, protocol := range []string{protocolHTTP2, protocolHTTP1} {
		if !slices.Contains(config.NextProtos, protocol) {
			config.NextProtos = append(config.NextProtos, protocol)
		}
	}
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err != nil || chosen == nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.NextProtos = config.NextProtos
			return chosen, nil
		}
	}
	return config
}

// queue is a listener whose connections were accepted by somebody else.
type queue struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	// reason that the queue is closed; read after closed only.
	reason error
}

var _ net.Listener = (*queue)(nil)

func newQueue(address net.Addr) *queue {
	return &queue{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// put is false when nobody takes connections any more.
func (q *queue) put(conn net.Conn) bool {
	select {
	case q.conns <- conn:
		return true
	case <-q.closed:
		return false
	}
}

// Accept waits for the next connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, q.reason
	}
}

// Close ends Accept.
func (q *queue) Close() error {
	q.fail(net.ErrClosed)
	return nil
}

func (q *queue) fail(reason error) {
	q.once.Do(func() {
		q.reason = reason
		close(q.closed)
	})
}

// Addr is that of the real listener.
func (q *queue) Addr() net.Addr { return q.address }
