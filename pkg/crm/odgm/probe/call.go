// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
)

// call asks a node for its health, then for its grid. A release of the data grid
// need not serve either: one that says so has at least answered.
//
// Messages never carry what differs from call to call, such as a local port: they
// go into a status that must not change while nothing does.
func (p *Prober) call(ctx context.Context, grid Grid, node Node) complaint {
	address := net.JoinHostPort(node.IP, strconv.Itoa(int(node.Port)))
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(p.options.Dial),
		// The environment's proxy is for what is outside of the cluster.
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return complaint{text: "has no usable address " + address}
	}
	defer connection.Close()

	health, err := healthv1.NewHealthClient(connection).Check(ctx, &healthv1.HealthCheckRequest{})
	switch code := status.Code(err); {
	case code == codes.Unimplemented || code == codes.NotFound:
		// No health service, or one that speaks of others only.
	case err != nil:
		return complaint{text: p.told(code, address)}
	case health.GetStatus() != healthv1.HealthCheckResponse_SERVING:
		return complaint{text: "says that it is " + health.GetStatus().String()}
	}
	info, err := odgmv1.NewGridInfoServiceClient(connection).GetClusterInfo(ctx, &odgmv1.GetClusterInfoRequest{})
	switch code := status.Code(err); {
	case code == codes.Unimplemented:
		return complaint{}
	case err != nil:
		return complaint{text: p.told(code, address)}
	}
	return differs(grid, node, info)
}

// told is a failed call in words.
func (p *Prober) told(code codes.Code, address string) string {
	switch code {
	case codes.Unavailable:
		return "cannot be reached at " + address
	case codes.DeadlineExceeded:
		return fmt.Sprintf("did not answer within %s", p.options.Timeout)
	case codes.Canceled:
		return "was not asked"
	default:
		return "answers with the error " + code.String()
	}
}

// differs tells how the grid that a node knows is another than the one that is
// wanted; empty when it is the same and serves.
func differs(grid Grid, node Node, info *odgmv1.GetClusterInfoResponse) complaint {
	wrong := func(format string, args ...any) complaint { return complaint{text: fmt.Sprintf(format, args...)} }
	outdated := func(format string, args ...any) complaint {
		return complaint{text: fmt.Sprintf(format+": it has not been restarted with the new ones", args...), outdated: true}
	}
	if info.GetNodeId() != node.ID {
		return wrong("takes itself for node %d", info.GetNodeId())
	}
	if info.GetClusterId() != grid.Wanted.ClusterID {
		return wrong("is in the grid %q", info.GetClusterId())
	}
	members := slices.Sorted(slices.Values(info.GetMembers()))
	if !slices.Equal(members, grid.Members) {
		return outdated("knows %d members where there are %d", len(members), len(grid.Members))
	}
	for _, wanted := range grid.Wanted.Collections {
		at := slices.IndexFunc(info.GetCollections(), func(c *odgmv1.CollectionInfo) bool { return c.GetName() == wanted.Name })
		if at < 0 {
			return wrong("does not know the collection %q", wanted.Name)
		}
		c := info.GetCollections()[at]
		if known := int64(c.GetPartitionCount()); known != int64(wanted.PartitionCount) {
			return outdated("knows %d partitions of %q where there are %d", known, wanted.Name, wanted.PartitionCount)
		}
		if c.GetActivePartitions() < c.GetPartitionCount() {
			return wrong("serves %d of %d partitions of %q", c.GetActivePartitions(), c.GetPartitionCount(), wanted.Name)
		}
	}
	return complaint{}
}
