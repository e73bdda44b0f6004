// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"oaas.io/oaas/hack/localcluster/binaries"
)

func newBuild() *cobra.Command {
	var node string
	command := &cobra.Command{
		Use:   "build",
		Short: "Build the programs of a cluster, so that a later start is quick",
		Long: `Build the programs of a cluster, kubectl and the Prometheus of tests into the cache,
unless they are there or in KUBEBUILDER_ASSETS, and print where each one is.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			kind, err := nodeKindOf(node)
			if err != nil {
				return err
			}
			programs := slices.Concat(binaries.ControlPlane(), []binaries.Program{binaries.Kubectl, binaries.Prometheus}, kind.programs)
			set, err := binaries.Ensure(c.Context(), binaries.Options{Progress: reporter(c)}, programs...)
			if err != nil {
				return err
			}
			if kind.build != nil {
				if err := kind.build(c.Context(), reporter(c)); err != nil {
					return err
				}
			}
			for _, p := range programs {
				fmt.Fprintln(c.OutOrStdout(), set.Path(p))
			}
			return nil
		},
	}
	command.Flags().StringVar(&node, "node", nodeKwok, "kind of node to build for: kwok (simulated), real (adds kubelet, kube-proxy and the images of pods)")
	return command
}
