// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/component-base/metrics"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information
	_ "k8s.io/component-base/metrics/prometheus/workqueue"
	"k8s.io/component-base/term"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/version"
)

// NewCommand returns the command that runs the server until the context ends.
func NewCommand(ctx context.Context) *cobra.Command {
	options := NewOptions()
	cmd := &cobra.Command{
		Use:   serverName,
		Short: "Serve the OaaS Package Manager's API",
		Long: `Serves packages, class deployments and clusters as an aggregated Kubernetes API
(group pm.oaas.io), and runs the controllers that deploy classes to clusters.

Objects are stored in etcd: your own (--etcd-servers) or one within the server
(--etcd-embedded --data-dir). Who a client is and what it may do is asked of the
cluster that hosts the server, found by --kubeconfig and its like or, in a pod, by
the service account; --standalone does without one.

oaas-apiserver etcd saves and restores what is stored; see oaas-apiserver etcd --help.`,
		Args:    cobra.NoArgs,
		Version: version.Get().String(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), options)
		},
	}
	cmd.SetContext(ctx)
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")

	groups := flagGroups(cmd.Name(), options)
	for _, flags := range groups.FlagSets {
		cmd.Flags().AddFlagSet(flags)
	}
	columns, _, err := term.TerminalSize(cmd.OutOrStdout())
	if err != nil {
		columns = 0 // not a terminal: do not wrap
	}
	flag.SetUsageAndHelpFunc(cmd, groups, columns)
	cmd.AddCommand(newEtcdCommand())
	return cmd
}

// flagGroups are all flags of the command.
func flagGroups(command string, options *Options) flag.NamedFlagSets {
	groups := options.Flags()
	// The flags of logging are among the options: a second set of the same names
	// would take the values and change nothing.
	globalflag.AddGlobalFlags(groups.FlagSet("global"), command, logs.SkipLoggingConfigurationFlags())
	return groups
}

func run(ctx context.Context, options *Options) error {
	if err := options.ServerRun.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("apply --feature-gates and --emulated-version: %w", err)
	}
	// Without a feature gate, features of logging are as stable as they say.
	if err := logsapi.ValidateAndApply(options.Logs, nil); err != nil {
		return fmt.Errorf("apply the log flags: %w", err)
	}
	applyMetrics(options.Metrics)
	klog.FromContext(ctx).Info("Starting", "program", serverName, "version", version.Get().String())
	return Run(ctx, options)
}

// applyMetrics applies the flags of metrics. The library complains about an
// allow-list that was never given, so that part is left out then.
func applyMetrics(options *metrics.Options) {
	if len(options.AllowListMapping) > 0 || options.AllowListMappingManifest != "" {
		options.Apply()
		return
	}
	if options.ShowHiddenMetricsForVersion != "" {
		metrics.SetShowHidden()
	}
	metrics.SetDisabledMetrics(options.DisabledMetrics)
}

// Run runs a server with the given options until the context ends.
func Run(ctx context.Context, options *Options) error {
	completed, err := options.Complete()
	if err != nil {
		return err
	}
	if err := completed.Validate(); err != nil {
		return err
	}
	completed, storage, err := completed.openStorage(ctx)
	if err != nil {
		return err
	}
	defer storage.close()
	config, err := completed.Config()
	if err != nil {
		return err
	}
	server, err := config.Complete().New()
	if err != nil {
		return err
	}
	// Without storage the server would be there and do nothing.
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var watching sync.WaitGroup
	var failure error
	watching.Go(func() {
		if failure = storage.failed(ctx); failure != nil {
			stop(failure)
		}
	})
	err = server.Run(ctx)
	stop(nil)
	watching.Wait()
	return errors.Join(failure, err)
}
