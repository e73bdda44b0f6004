// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo starts a real Kubernetes control plane with the platform on this
// machine, deploys an example and shows what came of it; or removes all of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	clusterName = "demo"
	example     = "artifacts/examples/echo.yaml"
	// heartbeat shows that a long step is still at work.
	heartbeat   = 10 * time.Second
	stopTimeout = time.Minute
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	root := &cobra.Command{
		Use:           "demo",
		Short:         "Try the platform on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		&cobra.Command{
			Use: "up", Short: "Start everything, deploy an example and show it", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context()) },
		},
		&cobra.Command{
			Use: "down", Short: "Stop everything and remove what it made", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return down(cmd.Context()) },
		},
	)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func up(ctx context.Context) error {
	steps := progress.NewWriter(os.Stdout, clock.RealClock{}, heartbeat)
	tools, err := binaries.Ensure(ctx, binaries.Options{Progress: steps}, binaries.Kubectl)
	if err != nil {
		return err
	}
	hub, err := cluster.Start(ctx, cluster.Options{Name: clusterName, Detached: true, Progress: steps})
	if err != nil {
		return err
	}
	running, err := platform.Start(ctx, platform.Options{Hub: hub, Detached: true, Progress: steps})
	if err != nil {
		return err
	}
	shell := shell{
		kubectl: tools.Path(binaries.Kubectl),
		env: append(os.Environ(),
			"KUBECONFIG="+hub.KubeconfigPath(),
			// kubectl finds its plugins on the PATH.
			"PATH="+running.BinDir()+string(os.PathListSeparator)+os.Getenv("PATH")),
	}
	for _, command := range []string{
		"kubectl oaas deploy -f " + example + " --wait",
		"kubectl get packages,classdeployments,clusters",
		"kubectl get deploymentrecords.oaas.io",
		"kubectl get deployments,services,pods -l app.kubernetes.io/managed-by=oaas-crm",
	} {
		if err := shell.run(ctx, command); err != nil {
			return err
		}
	}
	fmt.Printf(`
The cluster stays up. To use it:

  export KUBECONFIG=%s
  export PATH=%s:%s:$PATH

  kubectl get oaas                                   # everything of ours
  kubectl explain package.spec.classes               # the API describes itself
  kubectl oaas deploy -f artifacts/examples/record.yaml --wait
  kubectl oaas status                                # what runs, as a tree
  kubectl oaas delete -f %s
  make demo-down                                     # remove everything

`, hub.KubeconfigPath(), running.BinDir(), filepath.Dir(shell.kubectl), example)
	return nil
}

func down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	dir, err := cluster.DefaultDir(clusterName)
	if err != nil {
		return err
	}
	hub, err := cluster.Attach(dir)
	if errors.Is(err, cluster.ErrNotFound) {
		fmt.Println("The demo does not run; nothing to remove.")
		return nil
	}
	if err != nil {
		return err
	}
	if err := hub.Stop(ctx); err != nil {
		return err
	}
	fmt.Println("Stopped the demo and removed", dir)
	return nil
}

// shell runs commands as a user would type them, and shows them.
type shell struct {
	kubectl string
	env     []string
}

func (s shell) run(ctx context.Context, command string) error {
	prompt := "$ " + command
	if isatty.IsTerminal(os.Stdout.Fd()) {
		prompt = "\033[1m" + prompt + "\033[0m"
	}
	fmt.Printf("\n%s\n", prompt)
	args := strings.Fields(command)
	cmd := exec.CommandContext(ctx, s.kubectl, args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}
