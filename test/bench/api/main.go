// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command api measures the aggregated API beside a custom resource of the same
// shape, through the same kube-apiserver on the same etcd, and beside
// k8s.io/sample-apiserver: single requests, the time from a deployment to available
// pods, and what servers do that hold many packages. All in one run, the ways
// taking turns, so that the ratios hold on a machine whose speed drifts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/test/bench/measure"
	"oaas.io/oaas/test/bench/report"
	"oaas.io/oaas/test/bench/scale"
)

// user has the rights of an administrator by a role binding, as people have, and
// not by the group that skips every check.
const user = "bench"

type settings struct {
	objects, clients, rounds, lists, classes, each int
	scale                                          scale.Options
	parts                                          parts
}

func main() {
	s := settings{parts: everyPart()}
	flag.Var(&s.parts, "parts", "what to measure, separated by commas")
	flag.IntVar(&s.objects, "objects", 2000, "requests: objects of each kind")
	flag.IntVar(&s.clients, "clients", 16, "requests under way at a time")
	flag.IntVar(&s.rounds, "rounds", 10, "requests: turns that the ways take, each with its share of the objects")
	flag.IntVar(&s.lists, "lists", 10, "requests: full lists of all objects")
	flag.IntVar(&s.classes, "classes", 100, "deployments: classes that are deployed at once")
	flag.IntVar(&s.each, "each", 1000, "overview: objects of every resource")
	flag.IntVar(&s.scale.Objects, "packages", 10000, "packages, and objects of its peers, that the servers hold for the parts from lists on")
	flag.IntVar(&s.scale.Lists, "reads", 5, "lists, watches: how often each of them is measured")
	flag.IntVar(&s.scale.PageSize, "page-size", 500, "lists: objects of a page")
	flag.IntVar(&s.scale.Latency.Watchers, "watchers", 100, "latency: watchers of all objects")
	flag.IntVar(&s.scale.Latency.Rate, "write-rate", 200, "latency: writes per second")
	flag.DurationVar(&s.scale.Latency.Duration, "write-for", 5*time.Second, "latency: how long is written in a turn")
	flag.IntVar(&s.scale.Latency.Turns, "write-turns", 3, "latency: turns of each way and encoding")
	flag.IntVar(&s.scale.Restarts, "restarts", 3, "startup: restarts of each server, with and without objects")
	flag.StringVar(&s.scale.Profiles, "profiles", "", "latency: folder for CPU profiles of the servers, taken while they are measured")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) error {
	if err := s.validate(); err != nil {
		return err
	}
	steps := progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
	figures := report.New("api")
	if s.parts[requestsPart] || s.parts[deploymentsPart] {
		if err := onPlatform(ctx, steps, func(hub *cluster.Cluster, running *platform.Platform) error {
			return speed(ctx, s, hub, running, steps, figures)
		}); err != nil {
			return err
		}
	}
	if s.parts[overviewPart] {
		if err := onPlatform(ctx, steps, func(hub *cluster.Cluster, running *platform.Platform) error {
			return overview(ctx, s, hub, running, steps, figures)
		}); err != nil {
			return err
		}
	}
	// On a cluster of its own: what the servers hold of the former parts would be
	// counted in.
	if s.parts.atScale() {
		if err := onPlatform(ctx, steps, func(hub *cluster.Cluster, running *platform.Platform) error {
			return atScale(ctx, s, hub, running, steps, figures)
		}); err != nil {
			return err
		}
	}
	return figures.Write(out)
}

func (s settings) validate() error {
	for flag, value := range map[string]int{
		"objects": s.objects, "clients": s.clients, "rounds": s.rounds, "lists": s.lists, "classes": s.classes, "each": s.each,
		"packages": s.scale.Objects, "reads": s.scale.Lists, "page-size": s.scale.PageSize, "watchers": s.scale.Latency.Watchers,
		"write-rate": s.scale.Latency.Rate, "write-turns": s.scale.Latency.Turns, "restarts": s.scale.Restarts,
	} {
		if value < 1 {
			return fmt.Errorf("--%s=%d: give at least 1, or leave out its part with --parts", flag, value)
		}
	}
	return nil
}

// onPlatform measures on a cluster of its own.
func onPlatform(ctx context.Context, steps progress.Reporter, do func(*cluster.Cluster, *platform.Platform) error) (err error) {
	hub, err := cluster.Start(ctx, cluster.Options{Name: "bench", Progress: steps})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Stop(context.WithoutCancel(ctx))) }()
	running, err := platform.Start(ctx, platform.Options{Hub: hub, Progress: steps})
	if err != nil {
		return err
	}
	return do(hub, running)
}

// speed measures requests and deployments.
func speed(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) error {
	if s.parts[requestsPart] {
		if err := requests(ctx, s, hub, running, steps, figures); err != nil {
			return err
		}
	}
	if s.parts[deploymentsPart] {
		if err := deployments(ctx, s, hub, running, steps, figures); err != nil {
			return err
		}
	}
	for name, pid := range map[string]int{
		"kube-apiserver resident memory":  hub.Programs()["kube-apiserver"],
		"Package Manager resident memory": running.PID(platform.PackageManager),
		"CRM resident memory":             running.PID(platform.RuntimeManager(hub.Name())),
	} {
		resident, err := scale.Resident(pid)
		if err != nil {
			return err
		}
		figures.Add(name, float64(resident)/measure.MiB, "MiB", "")
	}
	return nil
}
