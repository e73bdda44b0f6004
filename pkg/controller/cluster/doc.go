// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster keeps the status of Clusters: it asks each cluster's Class
// Runtime Manager how it is doing, at an interval and whenever the link to it
// changes, and writes what it hears, and which units run there that nobody here
// knows of. One replica of the Package Manager at a time
// does so; the links are every replica's own (package links).
package cluster
