// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
)

func newUp(s *selection) *cobra.Command {
	var (
		nodes   int
		node    string
		timeout time.Duration
	)
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster, or repair one that is half up",
		Long: `Start a cluster and return when its nodes are ready. The cluster stays up
until "down". On a cluster that is up, "up" changes nothing; when a program has
ended, "up" starts it again and keeps what is stored.`,
		Example: `  go run ./hack/localcluster up
  export KUBECONFIG=$(go run ./hack/localcluster kubeconfig)

  # Two clusters, called edge-1 and edge-2, of five nodes each.
  go run ./hack/localcluster up --name edge --clusters 2 --nodes 5`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if nodes < 0 {
				return usageError(c, fmt.Errorf("--nodes %d: must be 0 or more", nodes))
			}
			targets, err := s.targets()
			if err != nil {
				return err
			}
			if !c.Flags().Changed("node") {
				if node, err = presentNode(targets); err != nil {
					return err
				}
			}
			kind, err := joinableNodeKind(node)
			if err != nil {
				return err
			}
			if node == nodeReal {
				if c.Flags().Changed("nodes") {
					return usageError(c, errors.New("--node real: this machine is the only node; leave --nodes out"))
				}
				if len(targets) > 1 {
					return usageError(c, errors.New("--node real: this machine can be the node of one cluster only; leave --clusters out"))
				}
			}
			o := cluster.Options{Nodes: nodes, Detached: true, StartTimeout: timeout, Progress: reporter(c)}
			// Without the flag, a cluster that exists keeps its nodes.
			switch {
			case !c.Flags().Changed("nodes"):
				o.Nodes = 0
			case nodes == 0:
				o.Nodes = -1
			}
			return up(c, targets, o, kind)
		},
	}
	command.Flags().IntVar(&nodes, "nodes", cluster.DefaultNodes, "number of simulated nodes of a cluster; one that exists keeps its number without the flag")
	command.Flags().StringVar(&node, "node", nodeKwok, "kind of node: kwok (simulated), real (this machine; needs root and containerd, and runs the pods); one that exists keeps its kind without the flag")
	command.Flags().DurationVar(&timeout, "timeout", cluster.DefaultStartTimeout, "time for a cluster to get ready, without the build of its programs")
	return command
}

// presentNode returns the kind of node that clusters have, or are to have by
// default.
func presentNode(targets []target) (string, error) {
	for _, t := range targets {
		if has, err := hasRealNode(t.dir); err != nil || has {
			return nodeReal, err
		}
	}
	return nodeKwok, nil
}

func up(c *cobra.Command, targets []target, o cluster.Options, kind nodeKind) error {
	ctx := c.Context()
	// Before a build that takes minutes.
	if err := kind.check(); err != nil {
		return err
	}
	// Before several clusters ask for them at once.
	programs := append(binaries.ControlPlane(), kind.programs...)
	if _, err := binaries.Ensure(ctx, binaries.Options{Progress: o.Progress}, programs...); err != nil {
		return err
	}
	clusters := make([]*cluster.Cluster, len(targets))
	failures := make([]error, len(targets))
	var group errgroup.Group
	for i, t := range targets {
		group.Go(func() error {
			// The others go on when one fails.
			clusters[i], failures[i] = upOne(c, t, o, kind)
			return nil
		})
	}
	_ = group.Wait()
	for _, started := range clusters {
		if started != nil {
			printStarted(c.OutOrStdout(), started, started.Status(ctx))
		}
	}
	return errors.Join(failures...)
}

func upOne(c *cobra.Command, t target, o cluster.Options, kind nodeKind) (*cluster.Cluster, error) {
	o.Name, o.Dir = t.name, t.dir
	if err := kind.prepare(c.Context(), &o); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", t.name, err)
	}
	started, err := cluster.Start(c.Context(), o)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w\nIts state and logs, as far as there are any, stay in %s until \"localcluster down\"", t.name, err, t.dir)
	}
	if err := kind.join(c.Context(), started, o.Progress); err != nil {
		return nil, fmt.Errorf("cluster %s: adding a node: %w", t.name, err)
	}
	return started, nil
}

func printStarted(out io.Writer, c *cluster.Cluster, s cluster.Status) {
	how := "is ready"
	if c.WasRunning() {
		how = "was already running and is ready"
	}
	fmt.Fprintf(out, "Cluster %s %s: Kubernetes %s with %s at %s\n", s.Name, how, s.Version, nodesText(s.ReadyNodes, s.RealNodes), s.Server)
	fmt.Fprintf(out, "  export KUBECONFIG=%s\n", s.Kubeconfig)
}

// nodesText counts nodes in words.
func nodesText(simulated, real int) string {
	var parts []string
	if real > 0 {
		parts = append(parts, counted(real, "real node"))
	}
	if simulated > 0 || real == 0 {
		parts = append(parts, counted(simulated, "simulated node"))
	}
	return strings.Join(parts, " and ")
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
