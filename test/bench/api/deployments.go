// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/test/bench/report"
)

// deployments measures, by the command that a user types, from its start until it
// returns because everything is available.
func deployments(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) error {
	for _, classes := range []int{1, s.classes} {
		end := steps.Begin(fmt.Sprintf("deploying %d classes", classes))
		took, err := deploy(ctx, hub, running, classes)
		end(err)
		if err != nil {
			return err
		}
		aim := ""
		if classes == 100 {
			aim = "<= 30"
		}
		figures.Add(fmt.Sprintf("deploy to available, %d classes", classes), took.Seconds(), "s", aim)
	}
	return nil
}

func deploy(ctx context.Context, hub *cluster.Cluster, running *platform.Platform, classes int) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(running.BinDir(), "kubectl-oaas"), "deploy", "-f", "-", "--wait", "--timeout=10m")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+hub.KubeconfigPath())
	cmd.Stdin = strings.NewReader(packageFile(classes))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("deploying %d classes: %w\n%s", classes, err, output.String())
	}
	return time.Since(begin), nil
}

func packageFile(classes int) string {
	var file strings.Builder
	fmt.Fprintf(&file, "name: many-%d\nversion: 1.0.0\nclasses:\n", classes)
	for i := range classes {
		fmt.Fprintf(&file, "- {key: C%d, function_bindings: [{name: run, function_key: f%d}]}\n", i, i)
	}
	file.WriteString("functions:\n")
	for i := range classes {
		fmt.Fprintf(&file, "- {key: f%d, function_type: CUSTOM, provision_config: {container_image: 'registry.example/f:1.0.%d'}}\n", i, i)
	}
	file.WriteString("deployments:\n")
	for i := range classes {
		fmt.Fprintf(&file, "- {key: many-%d-c%d, class_key: C%d, nfr_requirements: {min_throughput_rps: 100}}\n", classes, i, i)
	}
	return file.String()
}
