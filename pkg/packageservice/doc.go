// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packageservice is the gRPC side of the Package Manager: Class Runtime
// Managers read packages there and report how their units are doing.
//
// A caller reports for its own cluster alone. It is known to be a cluster's Class
// Runtime Manager in one of two ways:
//
//   - by the certificate with which it also serves: it is signed by what the
//     Cluster's spec.tls.caBundle holds and carries the name in
//     spec.tls.serverName, or else the host of spec.endpoint. These are what the
//     Package Manager knows the cluster by when it calls there, so nothing else has
//     to be set up. The certificate must be good for clients, too.
//   - as a user of the API, by a bearer token or a client certificate, who may
//     "report" on the Cluster: a rule with the verb report on clusters of
//     pm.oaas.io, and the cluster's name in resourceNames.
package packageservice
