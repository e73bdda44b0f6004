// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grpcauth tells who calls a gRPC server: by the certificate of the
// connection or by a bearer token. What a caller may do is for each server to
// decide; the package asks for it on the server's behalf and remembers the
// answers for a short while.
package grpcauth
