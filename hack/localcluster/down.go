// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/progress"
)

func newDown(s *selection) *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Stop a cluster and remove everything it made",
		Long: `Stop a cluster and remove its state folder. No process and no file is left; the
cache of built programs stays. Also clears away a cluster that is half up.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			choose := s.targets
			if all {
				choose = s.existing
			}
			targets, err := choose()
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "There is no cluster to stop.")
			}
			var failures []error
			for _, t := range targets {
				failures = append(failures, down(c, t, reporter(c)))
			}
			return errors.Join(failures...)
		},
	}
	command.Flags().BoolVar(&all, "all", false, "stop every cluster in the folder")
	return command
}

func down(command *cobra.Command, t target, p progress.Reporter) error {
	ctx := command.Context()
	c, err := cluster.Attach(t.dir)
	if errors.Is(err, cluster.ErrNotFound) {
		fmt.Fprintf(command.OutOrStdout(), "There is no cluster %s to stop.\n", t.name)
		return nil
	}
	if err != nil {
		return err
	}
	if err := leaveAll(ctx, c, p); err != nil {
		return fmt.Errorf("cluster %s: removing a node: %w", t.name, err)
	}
	if err := c.Stop(ctx); err != nil {
		return err
	}
	fmt.Fprintf(command.OutOrStdout(), "Cluster %s is stopped and removed.\n", t.name)
	return nil
}

// leaveAll asks every kind of node, because which one was chosen is known to
// the node itself.
func leaveAll(ctx context.Context, c *cluster.Cluster, p progress.Reporter) error {
	var failures []error
	for _, kind := range nodeKinds() {
		failures = append(failures, kind.leave(ctx, c, p))
	}
	return errors.Join(failures...)
}
