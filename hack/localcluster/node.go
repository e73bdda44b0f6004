// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	nodeKwok = "kwok"
	nodeReal = "real"
)

// nodeKind is one value of --node.
type nodeKind struct {
	// programs that it needs beside the control plane.
	programs []binaries.Program
	// build makes what is not a program, ahead of a start; nil for nothing.
	build func(ctx context.Context, p progress.Reporter) error
	// check refuses a machine that cannot be such a node.
	check func() error
	// prepare sets what the control plane must know. Name and Dir are set.
	prepare func(ctx context.Context, o *cluster.Options) error
	// join adds the node to a cluster that is up. It is nil for a kind that this
	// build can make the programs for, but not the node.
	join func(ctx context.Context, c *cluster.Cluster, p progress.Reporter) error
	// leave removes all traces of the node, if the cluster has one, before the
	// cluster stops.
	leave func(ctx context.Context, c *cluster.Cluster, p progress.Reporter) error
}

func nodeKinds() map[string]nodeKind {
	return map[string]nodeKind{
		nodeKwok: {
			check: func() error { return nil },
			prepare: func(_ context.Context, o *cluster.Options) error {
				has, err := hasRealNode(o.Dir)
				if err == nil && has {
					err = errors.New("it has a real node, to whose network the API server is bound: keep --node real, or stop the cluster first")
				}
				return err
			},
			// The cluster library itself makes simulated nodes.
			join:  func(context.Context, *cluster.Cluster, progress.Reporter) error { return nil },
			leave: func(context.Context, *cluster.Cluster, progress.Reporter) error { return nil },
		},
		nodeReal: realNode(),
	}
}

func nodeKindOf(name string) (nodeKind, error) {
	kinds := nodeKinds()
	kind, ok := kinds[name]
	if !ok {
		known := slices.Sorted(maps.Keys(kinds))
		return nodeKind{}, &exitError{fmt.Errorf("--node %q: must be one of %s", name, strings.Join(known, ", ")), exitUsage}
	}
	return kind, nil
}

// joinableNodeKind is nodeKindOf for the start of a cluster.
func joinableNodeKind(name string) (nodeKind, error) {
	kind, err := nodeKindOf(name)
	if err == nil && kind.join == nil {
		return nodeKind{}, &exitError{fmt.Errorf("--node %s: only Linux can be a real node; use --node %s", name, nodeKwok), exitUsage}
	}
	return kind, err
}
