// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux && e2e

package realnode_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inventory is what a node could leave on a machine.
type inventory map[string][]string

func takeInventory(t *testing.T) inventory {
	t.Helper()
	found := inventory{}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		found["interfaces"] = append(found["interfaces"], i.Name)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	found["mounts"] = strings.Split(strings.TrimSpace(string(mounts)), "\n")
	for _, family := range []string{"iptables-save", "ip6tables-save"} {
		rules, err := exec.CommandContext(t.Context(), family).Output()
		if err != nil {
			continue // a machine without IPv6
		}
		for line := range strings.Lines(string(rules)) {
			// Other lines hold counters and times.
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":KUBE") || strings.HasPrefix(line, ":CNI") {
				found[family] = append(found[family], line)
			}
		}
	}
	programs, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range programs {
		content, err := os.ReadFile(file)
		if name := strings.TrimSpace(string(content)); err == nil && slices.Contains(
			[]string{"containerd", "containerd-shim", "kubelet", "kube-proxy", "pause", "coredns", "function"}, name) {
			found["processes"] = append(found["processes"], name)
		}
	}
	for _, pattern := range []string{"/run/oaas-node*", "/sys/fs/cgroup/oaas-node", "/sys/fs/cgroup/*/oaas-node", "/run/containerd", "/run/netns/cni-*",
		"/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/opt/containerd", "/usr/libexec/kubernetes"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found["files"] = append(found["files"], files...)
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	found["forwarding"] = []string{string(forward)}
	return found
}

// diff names everything that is in after and was not there before.
func (before inventory) diff(after inventory) error {
	for kind, things := range after {
		for _, thing := range things {
			if !slices.Contains(before[kind], thing) {
				return fmt.Errorf("%s: %s is left", kind, thing)
			}
		}
	}
	return nil
}
