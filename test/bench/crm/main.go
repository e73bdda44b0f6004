// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command crm measures the Class Runtime Manager on simulated nodes: how fast
// records become available beside the same objects made directly with client-go,
// what they cost the API server, what they cost at rest, and how fast deleted
// children are back. All in one run, the two ways taking turns, so that the ratio
// holds on a machine whose speed drifts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/test/bench/report"
)

// nodes take 1,000 pods each.
const nodes = 12

// sizes are numbers of records, separated by commas on the command line.
type sizes []int

// String implements flag.Value.
func (s *sizes) String() string {
	texts := make([]string, 0, len(*s))
	for _, size := range *s {
		texts = append(texts, strconv.Itoa(size))
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value.
func (s *sizes) Set(text string) error {
	*s = nil
	for field := range strings.SplitSeq(text, ",") {
		size, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || size < 1 {
			return fmt.Errorf("%q: give numbers of at least 1, separated by commas", field)
		}
		*s = append(*s, size)
	}
	return nil
}

type settings struct {
	records  sizes
	clients  int
	rest     time.Duration
	repair   int
	keep     string
	progress progress.Reporter
}

func main() {
	s := settings{records: sizes{100, 1000, 3000}}
	flag.Var(&s.records, "records", "numbers of records to measure with")
	flag.IntVar(&s.clients, "clients", 32, "requests under way at a time, of the callers of the runtime manager and of the peer")
	flag.DurationVar(&s.rest, "rest", time.Minute, "how long is looked on at rest")
	flag.IntVar(&s.repair, "repair", 100, "Deployments that are deleted to be repaired")
	flag.StringVar(&s.keep, "profiles", "", "folder for CPU profiles of the runtime manager, taken while records become available")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-crm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) (err error) {
	if s.clients < 1 || s.repair < 1 {
		return errors.New("-clients and -repair: give at least 1")
	}
	if s.keep != "" {
		if err := os.MkdirAll(s.keep, 0o755); err != nil { //nolint:gosec // profiles are no secret
			return fmt.Errorf("making the folder for profiles: %w", err)
		}
	}
	s.progress = progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
	bin, err := platform.Build(ctx, s.progress)
	if err != nil {
		return err
	}
	hub, err := cluster.Start(ctx, cluster.Options{Name: "bench-crm", Nodes: nodes, Progress: s.progress})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Stop(context.WithoutCancel(ctx))) }()

	manager, err := startManager(ctx, hub, filepath.Join(bin, "crm"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.stop()) }()
	peer, err := newPeer(ctx, hub, s.clients)
	if err != nil {
		return err
	}
	if err := warmUp(ctx, s, hub, manager, peer); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	figures := report.New("crm")
	for _, size := range s.records {
		if err := measure(ctx, s, hub, manager, peer, size, figures); err != nil {
			return fmt.Errorf("with %d records: %w", size, err)
		}
	}
	return figures.Write(out)
}

// step runs one part and tells that it does.
func step(ctx context.Context, s settings, what string, do func(context.Context) error) error {
	end := s.progress.Begin(what)
	err := do(ctx)
	end(err)
	return err
}
