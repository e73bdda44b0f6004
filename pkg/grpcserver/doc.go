// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grpcserver is what the gRPC servers of the product have in common:
// bounds on messages, connections and time, keepalive, logs and metrics of calls,
// panics that cost one call and not the program, health, reflection, and an end
// that lets running calls finish. Who may call is the server's own to decide.
//
// No request is read before its caller is admitted. A message of MaxMessage bytes may
// stand for a hundred times as much memory, which strangers are not to have: what they
// send waits in the windows of HTTP/2 and of the socket. Services are registered with
// Server and HTTP calls it, rather than the gRPC server within, for that reason.
package grpcserver
