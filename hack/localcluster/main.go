// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command localcluster runs a real Kubernetes on this machine for development
// and tests, without root, Docker or downloads of programs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/progress"
)

// Exit codes.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotReady = 3
	exitNone     = 4
)

// exitError ends the program with a code of its own.
type exitError struct {
	error

	code int
}

func (e *exitError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	// A start that is interrupted takes away what it started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := newCommand()
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "error:", err)
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.code
	}
	return exitFailed
}

func newCommand() *cobra.Command {
	s := &selection{}
	command := &cobra.Command{
		Use:   "localcluster",
		Short: "Run a real Kubernetes on this machine",
		Long: `Run a real Kubernetes on this machine: etcd, kube-apiserver,
kube-controller-manager and kube-scheduler, with nodes that kwok simulates.
Neither root nor Docker is needed.

The programs are built from pinned Go modules, once: the first build takes
minutes, its result is kept in a cache outside of the repository. Set
KUBEBUILDER_ASSETS to a folder of ready programs to use those instead.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a cluster is not ready,
4 there is no such cluster. (go run turns every failure into 1.)`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	command.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError(c, err) })
	s.addFlags(command.PersistentFlags())
	command.AddCommand(newUp(s), newDown(s), newStatus(s), newKubeconfig(s), newBuild(), newImages())
	return command
}

func usageError(c *cobra.Command, err error) error {
	return &exitError{fmt.Errorf("%w; see %s --help", err, c.CommandPath()), exitUsage}
}

func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(c, err)
		}
		return nil
	}
}

// reporter writes progress to standard error, so that standard output carries
// results only. A log of a machine gets fewer signs of life than a person.
func reporter(c *cobra.Command) progress.Reporter {
	heartbeat := 30 * time.Second
	if f, ok := c.ErrOrStderr().(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		heartbeat = 5 * time.Second
	}
	return progress.NewWriter(c.ErrOrStderr(), clock.RealClock{}, heartbeat)
}
