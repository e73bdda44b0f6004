// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kubectl-oaas is a kubectl plugin: kubectl oaas deploy, plan, status, delete
// and version.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"oaas.io/oaas/pkg/plugin"
)

func main() {
	os.Exit(run())
}

func run() int {
	// The second signal ends the program at once: stop gives the first one back
	// to the runtime when it arrives.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := plugin.NewCommand(streams).ExecuteContext(ctx)
	if err != nil {
		plugin.PrintError(streams.ErrOut, err)
	}
	return plugin.ExitCode(err)
}
