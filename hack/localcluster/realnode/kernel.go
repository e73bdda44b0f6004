// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// settings are the kernel settings, under /proc/sys, that kubelet, kube-proxy
// or the network plugins change.
func settings() []string {
	return []string{
		"net/ipv4/ip_forward",
		"net/ipv4/conf/all/route_localnet",
		"vm/overcommit_memory",
		"vm/panic_on_oom",
		"kernel/panic",
		"kernel/panic_on_oops",
		"kernel/keys/root_maxkeys",
		"kernel/keys/root_maxbytes",
	}
}

func readSettings() map[string]string {
	values := map[string]string{}
	for _, name := range settings() {
		// What cannot be read cannot be changed either.
		if content, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = strings.TrimSpace(string(content))
		}
	}
	return values
}

// restoreSettings writes only what differs.
func restoreSettings(before map[string]string) error {
	now := readSettings()
	var failures []error
	for name, value := range before {
		if now[name] == value {
			continue
		}
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
			failures = append(failures, fmt.Errorf("restoring the kernel setting %s: %w", name, err))
		}
	}
	return errors.Join(failures...)
}

// snapshotter returns how containerd stores the file systems of containers in
// dir: layered, or where the file system under dir cannot carry layers (as in a
// container on another overlay), copied.
func snapshotter(dir string) string {
	temp, err := os.MkdirTemp(dir, "overlay-")
	if err != nil {
		return "native"
	}
	defer os.RemoveAll(temp)
	for _, sub := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(temp, sub), 0o700); err != nil {
			return "native"
		}
	}
	merged := filepath.Join(temp, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", temp)
	if err := syscall.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return "native"
	}
	if err := syscall.Unmount(merged, syscall.MNT_DETACH); err != nil {
		return "native"
	}
	return "overlayfs"
}
