// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"oaas.io/oaas/hack/localcluster/cluster"
)

func newStatus(s *selection) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show clusters and their programs",
		Long: `Show every cluster, or with --name or --clusters those, and their programs.
The exit code is 3 if one of them is not ready, and 4 if there is none.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			choose := s.existing
			if c.Flags().Changed("name") || c.Flags().Changed("clusters") {
				choose = s.targets
			}
			targets, err := choose()
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				return &exitError{errors.New(`there is no cluster: start one with "localcluster up"`), exitNone}
			}
			return showStatus(c, targets)
		},
	}
}

func showStatus(c *cobra.Command, targets []target) error {
	var failures []error
	for i, t := range targets {
		if i > 0 {
			fmt.Fprintln(c.OutOrStdout())
		}
		attached, err := attach(t)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		status := attached.Status(c.Context())
		if err := printStatus(c.OutOrStdout(), status); err != nil {
			return err
		}
		if !status.Ready {
			failures = append(failures, &exitError{fmt.Errorf(`cluster %s is not ready: repair it with "localcluster up --name %s"`, t.name, t.name), exitNotReady})
		}
	}
	return errors.Join(failures...)
}

// attach gives the absence of a cluster its own exit code.
func attach(t target) (*cluster.Cluster, error) {
	c, err := cluster.Attach(t.dir)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil, &exitError{fmt.Errorf(`%w: start it with "localcluster up --name %s"`, err, t.name), exitNone}
	}
	return c, err
}

func printStatus(out io.Writer, s cluster.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	state := "ready"
	if !s.Ready {
		state = "not ready: " + s.Problem
	}
	fmt.Fprintf(w, "cluster\t%s\n", s.Name)
	fmt.Fprintf(w, "state\t%s\n", state)
	if s.Version != "" {
		fmt.Fprintf(w, "version\t%s\n", s.Version)
		fmt.Fprintf(w, "nodes\t%d of %s ready\n", s.ReadyNodes, counted(s.Nodes, "simulated node"))
		if s.RealNodes > 0 {
			fmt.Fprintf(w, "\t%s ready\n", counted(s.RealNodes, "real node"))
		}
	}
	fmt.Fprintf(w, "server\t%s\n", s.Server)
	fmt.Fprintf(w, "kubeconfig\t%s\n", s.Kubeconfig)
	for _, p := range s.Programs {
		process := "stopped"
		if p.PID != 0 {
			process = fmt.Sprintf("process %d", p.PID)
		}
		fmt.Fprintf(w, "%s\t%s, log %s\n", p.Name, process, p.Log)
	}
	return w.Flush()
}

func newKubeconfig(s *selection) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of a cluster's kubeconfig",
		Long:  "Print the path of the kubeconfig of a cluster's administrator; with --clusters, one line a cluster.",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			targets, err := s.targets()
			if err != nil {
				return err
			}
			for _, t := range targets {
				attached, err := attach(t)
				if err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), attached.KubeconfigPath())
			}
			return nil
		},
	}
}
