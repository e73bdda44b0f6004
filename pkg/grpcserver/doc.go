// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grpcserver is what the gRPC servers of the product have in common:
// bounds on messages, connections and time, keepalive, logs and metrics of calls,
// panics that cost one call and not the program, health, reflection, and an end
// that lets running calls finish. Who may call is the server's own to decide.
package grpcserver
