// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/image"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/hack/localcluster/realnode"
)

// realNode makes this machine the only node of one cluster.
func realNode() nodeKind {
	return nodeKind{
		programs: []binaries.Program{binaries.Kubelet, binaries.KubeProxy},
		build: func(ctx context.Context, p progress.Reporter) error {
			_, err := image.Build(ctx, image.Options{Progress: p}, image.Pause(), image.CoreDNS(), image.Function())
			return err
		},
		check: realnode.Preflight,
		prepare: func(ctx context.Context, o *cluster.Options) error {
			address, err := realnode.Prepare(ctx, o.Dir)
			if err != nil {
				return err
			}
			o.BindAddress, o.AdvertiseAddress = address, address
			// The scheduler would put pods on simulated nodes, too, where they
			// only pretend to run.
			o.Nodes = -1
			return nil
		},
		join: func(ctx context.Context, c *cluster.Cluster, p progress.Reporter) error {
			images, err := image.Build(ctx, image.Options{Progress: p}, image.Function())
			if err != nil {
				return err
			}
			_, err = realnode.Start(ctx, realnode.Options{Cluster: c, Images: images, Detached: true, Progress: p})
			return err
		},
		leave: func(ctx context.Context, c *cluster.Cluster, _ progress.Reporter) error {
			return realnode.Leave(ctx, c.Dir())
		},
	}
}

func hasRealNode(clusterDir string) (bool, error) { return realnode.Has(clusterDir) }
