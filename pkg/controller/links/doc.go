// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package links keeps a link to the Class Runtime Manager of every cluster: made
// when a Cluster appears, made anew when its settings or the Secret with its
// identity change, closed when it goes. Unlike the other controllers it runs on
// every replica of the Package Manager, because each of them serves the live
// records of all clusters. It writes nothing.
package links
