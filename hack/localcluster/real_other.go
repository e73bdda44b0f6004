// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package main

import (
	"context"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/progress"
)

// realNode cannot be joined: containers need Linux.
func realNode() nodeKind {
	return nodeKind{
		leave: func(context.Context, *cluster.Cluster, progress.Reporter) error { return nil },
	}
}

func hasRealNode(string) (bool, error) { return false, nil }
