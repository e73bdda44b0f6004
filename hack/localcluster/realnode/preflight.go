// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Preflight says whether this machine can be a node. The error has one line for
// each thing that is missing, with its remedy. Nothing is changed.
func Preflight() error {
	if os.Geteuid() != 0 {
		// The other checks need root themselves.
		return errors.New("this machine cannot be a real node: root is needed to run containers: start as root, or use simulated nodes")
	}
	ctx := context.Background()
	problems := missingPrograms(lookPath)
	if _, err := pluginDir(); err != nil {
		problems = append(problems, err)
	}
	if err := checkCgroups(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		problems = append(problems, checkKernel(ctx)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot be a real node: %w", errors.Join(problems...))
}

// requirement is a program and Debian's package of it.
type requirement struct{ program, pkg string }

func requirements() []requirement {
	return []requirement{
		{"containerd", "containerd"},
		{"containerd-shim-runc-v2", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{"iptables", "iptables"},
		{"iptables-save", "iptables"},
		{"iptables-restore", "iptables"},
		{"ip", "iproute2"},
		{"mount", "mount"},
		{"unshare", "util-linux"},
		{"nsenter", "util-linux"},
	}
}

func missingPrograms(lookPath func(string) (string, error)) []error {
	var problems []error
	for _, r := range requirements() {
		if _, err := lookPath(r.program); err != nil {
			problems = append(problems, fmt.Errorf("the program %s is missing: on Debian, apt-get install %s", r.program, r.pkg))
		}
	}
	return problems
}

// pluginDir returns the folder of network plugins, which differs between
// distributions.
func pluginDir() (string, error) {
	dirs := []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}
	for _, dir := range dirs {
		complete := true
		for _, plugin := range []string{"bridge", "host-local", "loopback"} {
			if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
				complete = false
			}
		}
		if complete {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the network plugins bridge, host-local and loopback are in none of %v: on Debian, apt-get install containernetworking-plugins", dirs)
}

// checkKernel tries what a kernel or a surrounding container may refuse.
func checkKernel(ctx context.Context) []error {
	var problems []error
	if _, err := run(ctx, nil, "unshare", "--mount", "true"); err != nil {
		problems = append(problems, fmt.Errorf("mount namespaces cannot be made, so containers cannot: %w", err))
	}
	rules, err := run(ctx, nil, "iptables-save", "-t", "nat")
	if err != nil {
		return append(problems, fmt.Errorf("the firewall's table nat cannot be read, which services need: %w", err))
	}
	if s, err := loadState(); err != nil {
		problems = append(problems, err)
	} else if s.ClusterDir == "" && bytes.Contains(rules, []byte(":KUBE-SERVICES ")) {
		problems = append(problems, errors.New(
			"another Kubernetes has its service rules in this machine's firewall (chain KUBE-SERVICES): stop that node first"))
	}
	return problems
}
