// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command install puts the platform on a Kubernetes cluster that is there
// already, from the manifests in artifacts/kustomize, or takes it away again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/progress"
)

// heartbeat shows that a long step is still at work.
const heartbeat = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var (
		o         options
		uninstall bool
	)
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	var overrides clientcmd.ConfigOverrides
	command := &cobra.Command{
		Use:   "install",
		Short: "Install the platform on a cluster that you have",
		Long: `Install the platform on a cluster that you have, or bring it to the state that the
flags describe: running it twice changes nothing, and the certificate authority
stays. You need the rights of an administrator of the cluster.`,
		Example: `  # The Package Manager, and a Class Runtime Manager beside it.
  go run ./hack/install

  # A Class Runtime Manager on another cluster; prints what to apply on the first.
  go run ./hack/install --context west --member --name west \
    --endpoint crm.west.example:8081 --package-manager-ca ca.crt

  go run ./hack/install --uninstall`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &overrides).ClientConfig()
			if err != nil {
				return fmt.Errorf("finding the cluster (--kubeconfig, --context): %w", err)
			}
			config.QPS, config.Burst = 50, 100
			steps := progress.NewWriter(c.ErrOrStderr(), clock.RealClock{}, heartbeat)
			i, err := newInstaller(config, o, steps, clock.RealClock{})
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			if uninstall {
				return i.uninstall(ctx)
			}
			advice, err := i.install(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.OutOrStdout(), advice)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&rules.ExplicitPath, "kubeconfig", "", "file that says how to reach the cluster; default: KUBECONFIG, else ~/.kube/config")
	flags.StringVar(&overrides.CurrentContext, "context", "", "context of the kubeconfig; default: its current one")
	flags.BoolVar(&uninstall, "uninstall", false, "take the platform away, with all packages; refused while there are deployments")
	o.addFlags(flags)
	return command
}
