// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// candidates are the subnets that pods may get, in order of preference. The
// first follows the ranges of services and of simulated pods.
func candidates() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.245.0.0/24"),
		netip.MustParsePrefix("10.213.77.0/24"),
		netip.MustParsePrefix("172.29.77.0/24"),
		netip.MustParsePrefix("192.168.213.0/24"),
	}
}

// chooseSubnet returns the first candidate that overlaps none of the taken.
func chooseSubnet(candidates, taken []netip.Prefix) (netip.Prefix, error) {
	for _, c := range candidates {
		free := true
		for _, t := range taken {
			free = free && !c.Overlaps(t)
		}
		if free {
			return c, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no subnet is free for pods: %v all overlap networks of this machine", candidates)
}

// takenSubnets returns the networks that this machine is in.
func takenSubnets() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the networks of this machine: %w", err)
	}
	taken := []netip.Prefix{netip.MustParsePrefix(cluster.ServiceCIDR), netip.MustParsePrefix(cluster.PodCIDR)}
	for _, address := range addresses {
		if p, err := netip.ParsePrefix(address.String()); err == nil {
			taken = append(taken, p.Masked())
		}
	}
	return taken, nil
}

// Prepare makes the bridge that pods will hang on, and returns its address. The
// API server of the cluster whose state is going to be in clusterDir must be
// bound to it and advertise it, so that pods reach it and nobody outside of this
// machine does: call Prepare before cluster.Start. Calling it again changes
// nothing. Leave takes the bridge away again.
func Prepare(ctx context.Context, clusterDir string) (string, error) {
	if err := Preflight(); err != nil {
		return "", err
	}
	clusterDir, err := filepath.Abs(clusterDir)
	if err != nil {
		return "", fmt.Errorf("finding the cluster's folder: %w", err)
	}
	lock, err := lock(ctx)
	if err != nil {
		return "", err
	}
	gateway, err := prepareLocked(ctx, clusterDir)
	if err := errors.Join(err, lock.Release()); err != nil {
		return "", fmt.Errorf("preparing a real node: %w", err)
	}
	return gateway.Addr().String(), nil
}

func prepareLocked(ctx context.Context, clusterDir string) (netip.Prefix, error) {
	s, err := loadState()
	if err != nil {
		return netip.Prefix{}, err
	}
	if err := s.refuseOther(clusterDir); err != nil {
		return netip.Prefix{}, err
	}
	if s.Preparer, err = process.Identify(os.Getpid()); err != nil {
		return netip.Prefix{}, err
	}
	if s.ClusterDir == "" {
		s.ClusterDir = clusterDir
	}
	if err := s.save(); err != nil {
		return netip.Prefix{}, err
	}
	if gateway, err := bridgeSubnet(); err == nil {
		return gateway, nil
	}
	taken, err := takenSubnets()
	if err != nil {
		return netip.Prefix{}, err
	}
	subnet, err := chooseSubnet(candidates(), taken)
	if err != nil {
		return netip.Prefix{}, err
	}
	gateway := netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits())
	return gateway, makeBridge(ctx, gateway)
}

func makeBridge(ctx context.Context, gateway netip.Prefix) error {
	commands := [][]string{
		{"address", "replace", gateway.String(), "dev", bridge},
		{"link", "set", bridge, "up"},
	}
	if !bridgeExists() {
		commands = slices.Insert(commands, 0, []string{"link", "add", bridge, "type", "bridge"})
	}
	for _, args := range commands {
		if _, err := run(ctx, nil, "ip", args...); err != nil {
			return fmt.Errorf("making the network of pods: %w", err)
		}
	}
	return nil
}

func bridgeExists() bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", bridge))
	return err == nil
}

// bridgeSubnet returns the address of the bridge with the size of its network.
func bridgeSubnet() (netip.Prefix, error) {
	device, err := net.InterfaceByName(bridge)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("finding the network of pods, interface %s: %w", bridge, err)
	}
	addresses, err := device.Addrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("finding the address of interface %s: %w", bridge, err)
	}
	for _, address := range addresses {
		if p, err := netip.ParsePrefix(address.String()); err == nil && p.Addr().Is4() {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("interface %s has no IPv4 address", bridge)
}

// removeBridge removes the bridge and the pods' ends of it. The kernel removes
// the latter by itself some time after a pod, which may be too late.
func removeBridge(ctx context.Context) error {
	ports, err := os.ReadDir(filepath.Join("/sys/class/net", bridge, "brif"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("listing what hangs on interface %s: %w", bridge, err)
	}
	for _, port := range ports {
		if err := removeInterface(ctx, port.Name()); err != nil {
			return err
		}
	}
	return removeInterface(ctx, bridge)
}

func removeInterface(ctx context.Context, name string) error {
	_, err := run(ctx, nil, "ip", "link", "delete", name)
	if _, gone := os.Stat(filepath.Join("/sys/class/net", name)); errors.Is(gone, os.ErrNotExist) {
		return nil
	}
	return err
}
