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
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/test/bench/report"
)

const (
	overviewRuns = 7
	// overviewPatience is for the deployments to be reported by their cluster.
	overviewPatience = 10 * time.Minute
	// restingWrites in a second are what a cluster of that size always has: leases,
	// reports.
	restingWrites = 60
	restingFor    = 10 * time.Second
)

// overview measures kubectl get oaas -A, with as many objects of every resource,
// from the start of kubectl to its end.
func overview(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) error {
	end := steps.Begin(fmt.Sprintf("making %d of each resource", s.each))
	err := makeOfEach(ctx, s, hub, running)
	end(err)
	if err != nil {
		return err
	}
	tools, err := binaries.Ensure(ctx, binaries.Options{Progress: steps}, binaries.Kubectl)
	if err != nil {
		return err
	}
	end = steps.Begin("waiting until everything is at rest")
	err = atRest(ctx, hub)
	end(err)
	if err != nil {
		return err
	}
	end = steps.Begin("asking for all of them")
	took, err := ask(ctx, hub, tools.Path(binaries.Kubectl), s.each)
	end(err)
	if err != nil {
		return err
	}
	aim := ""
	if s.each >= 1000 {
		aim = "<= 1"
	}
	figures.Add(fmt.Sprintf("kubectl get oaas -A, %d of each", s.each), took.Seconds(), "s", aim)
	return nil
}

// makeOfEach deploys a package of its own for each, so that classes, functions,
// records and runtime states follow, and makes clusters that nobody answers for.
func makeOfEach(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform) error {
	config := rest.CopyConfig(hub.RESTConfig())
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	pm := client.PmV1alpha1()
	for i := range s.each {
		_, err := pm.Clusters().Create(ctx, &pmv1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("away-", i)},
			Spec:       pmv1alpha1.ClusterSpec{Endpoint: "127.0.0.1:1", Unschedulable: true, TLS: &pmv1alpha1.ClusterTLS{}},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("making cluster %d: %w", i, err)
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(running.BinDir(), "kubectl-oaas"), "deploy", "-f", "-")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+hub.KubeconfigPath())
	cmd.Stdin = strings.NewReader(packagesOfOneClass(s.each))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("deploying %d packages: %w\n%.2000s", s.each, err, output)
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, overviewPatience, true, func(ctx context.Context) (bool, error) {
		states, err := pm.RuntimeStates(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1, ResourceVersion: "0"})
		if err != nil {
			return false, fmt.Errorf("counting what is reported: %w", err)
		}
		count := len(states.Items)
		if states.RemainingItemCount != nil {
			count += int(*states.RemainingItemCount)
		}
		return count >= s.each, nil
	})
}

// atRest waits until little is written any more. The revision of the storage tells.
func atRest(ctx context.Context, hub *cluster.Cluster) error {
	client, err := versioned.NewForConfig(hub.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	var before uint64
	return wait.PollUntilContextTimeout(ctx, restingFor, overviewPatience, true, func(ctx context.Context) (bool, error) {
		list, err := client.PmV1alpha1().Packages(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return false, fmt.Errorf("asking for the revision: %w", err)
		}
		now, err := strconv.ParseUint(list.ResourceVersion, 10, 64)
		if err != nil {
			return false, fmt.Errorf("reading the revision: %w", err)
		}
		resting := before != 0 && now-before < restingWrites*uint64(restingFor/time.Second)
		before = now
		return resting, nil
	})
}

func packagesOfOneClass(count int) string {
	var file strings.Builder
	for i := range count {
		fmt.Fprintf(&file, `---
name: one-%[1]d
version: 1.0.0
classes: [{key: C, function_bindings: [{name: run, function_key: f}]}]
functions: [{key: f, function_type: CUSTOM, provision_config: {container_image: 'registry.example/f:1.0.0'}}]
deployments: [{key: one-%[1]d, class_key: C, nfr_requirements: {min_throughput_rps: 100}}]
`, i)
	}
	return file.String()
}

// ask returns the median time.
func ask(ctx context.Context, hub *cluster.Cluster, kubectl string, each int) (time.Duration, error) {
	cache, err := os.MkdirTemp("", "kubectl-cache-")
	if err != nil {
		return 0, fmt.Errorf("making a folder for kubectl: %w", err)
	}
	defer func() { _ = os.RemoveAll(cache) }()
	var times []time.Duration
	for range overviewRuns {
		var output, complaints bytes.Buffer
		cmd := exec.CommandContext(ctx, kubectl, "--kubeconfig="+hub.KubeconfigPath(), "--cache-dir="+cache, "get", "oaas", "--all-namespaces")
		cmd.Stdout, cmd.Stderr = &output, &complaints
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("kubectl get oaas: %w\n%.2000s", err, complaints.String())
		}
		times = append(times, time.Since(begin))
		if lines := bytes.Count(output.Bytes(), []byte("\n")); lines < 7*each {
			return 0, fmt.Errorf("kubectl get oaas told %d lines, less than %d of each of seven resources", lines, each)
		}
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
