// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	groupDeploy  = "deploy"
	groupInspect = "inspect"
)

// shared is what all commands have in common.
type shared struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	clock clock.WithTicker
}

// NewCommand returns the root command of kubectl oaas. Everything it reads and
// writes goes through the streams; errors are returned, see ExitCode.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true).
		WithDiscoveryBurst(300).
		WithDiscoveryQPS(50).
		WithWrapConfigFn(func(config *rest.Config) *rest.Config {
			// A directory of packages is hundreds of requests; the server's own
			// priority and fairness is the better judge of what is too much.
			config.QPS, config.Burst = 50, 300
			config.WarningHandler = rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
			return config
		})
	common := &shared{IOStreams: streams, flags: flags, clock: clock.RealClock{}}

	root := &cobra.Command{
		Use:   "kubectl-oaas",
		Short: "Publish packages of classes and functions, and deploy them",
		Long: `Publish OaaS packages, deploy their classes and follow what becomes of them.

A package defines classes (object types with state and methods) and the functions that implement
the methods. A deployment runs a class with the throughput, latency and availability it must reach.

` + exitCodesHelp,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl oaas"},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
				return usageErrorf("there is no command %q: did you mean %s?", args[0], meant[0])
			}
			return usageErrorf("there is no command %q", args[0])
		},
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return withCode(ExitUsage, err) })
	flags.AddFlags(root.PersistentFlags())

	root.AddGroup(
		&cobra.Group{ID: groupDeploy, Title: "Deploy and remove:"},
		&cobra.Group{ID: groupInspect, Title: "Look at what runs:"},
	)
	root.AddCommand(
		newDeployCommand(common),
		newDeleteCommand(common),
		newStatusCommand(common),
		newPlanCommand(common),
		newRenderCommand(common),
		newVersionCommand(common),
	)
	registerCompletions(root, common)
	return root
}

// runner is a command's options once its flags are parsed.
type runner interface {
	Complete(cmd *cobra.Command, args []string) error
	Validate() error
	Run(cmd *cobra.Command) error
}

func run(o runner) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := o.Complete(cmd, args); err != nil {
			return err
		}
		if err := o.Validate(); err != nil {
			return err
		}
		return o.Run(cmd)
	}
}

// usageArgs reports wrong numbers of arguments as wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return withCode(ExitUsage, err)
		}
		return nil
	}
}
