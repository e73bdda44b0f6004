// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package children knows the objects that were made for deployment records, of
// whatever kind they are. It watches a kind from the moment a record first needs
// it, stops when the kind leaves the cluster, and begins again when it comes back.
//
// Of each object it keeps a digest only: whose it is, which of its fields are
// still as the reconciler applied them, and how it is doing. The API server itself
// keeps book of who set which field last, so an object that others changed is told
// from one that is as it should be without a copy of either.
package children
