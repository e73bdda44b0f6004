// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crmclient is the Package Manager's side of the gRPC link to the Class
// Runtime Managers: one connection for each cluster, with deadlines, retries, a
// circuit breaker and a live copy of the cluster's deployment records.
//
// The Pool holds the links. A Link makes calls; each of its errors is an *Error
// that tells a cluster that does not answer from one that refuses.
package crmclient
