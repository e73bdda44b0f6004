// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"

	"oaas.io/oaas/pkg/crm/odgm/env"
	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
)

// grid answers for the grid as the environment tells it.
type grid struct {
	odgmv1.UnimplementedGridInfoServiceServer

	config    *env.Config
	clusterID string
}

func (g *grid) GetClusterInfo(context.Context, *odgmv1.GetClusterInfoRequest) (*odgmv1.GetClusterInfoResponse, error) {
	info := &odgmv1.GetClusterInfoResponse{
		ClusterId: g.clusterID,
		NodeId:    g.config.NodeID,
		Members:   g.config.Members,
	}
	for _, c := range g.config.Collections {
		partitions := uint32(c.PartitionCount) //nolint:gosec // the reader allows 1 and more
		info.Collections = append(info.Collections, &odgmv1.CollectionInfo{
			Name:             c.Name,
			PartitionCount:   partitions,
			ReplicaCount:     uint32(c.ReplicaCount), //nolint:gosec // the reader allows 1 and more
			ShardType:        c.ShardType,
			ActivePartitions: partitions,
		})
	}
	return info, nil
}

func (g *grid) GetStats(context.Context, *odgmv1.GetStatsRequest) (*odgmv1.GetStatsResponse, error) {
	stats := &odgmv1.GetStatsResponse{}
	for _, c := range g.config.Collections {
		for _, a := range c.ShardAssignments {
			if slices.Contains(a.Replica, g.config.NodeID) {
				stats.Shards++
			}
			if *a.Primary == g.config.NodeID {
				stats.PrimaryShards++
			}
		}
	}
	return stats, nil
}
