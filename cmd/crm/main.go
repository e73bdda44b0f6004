// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command crm is the Class Runtime Manager: it runs deployment units on the
// Kubernetes cluster that it belongs to.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"oaas.io/oaas/pkg/crm"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "crm:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var configPath, kubeconfig string
	command := &cobra.Command{
		Use:   "crm",
		Short: "Run the Class Runtime Manager of a cluster",
		Long: "Run the Class Runtime Manager of a cluster.\n\n" +
			"Flags win over environment variables (" + config.EnvPrefix + "...), which win over the file of --config,\n" +
			"which wins over the defaults of the profile.",
		Version:       version.Get().String(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	set := command.Flags()
	set.StringVar(&configPath, "config", "", "YAML file with settings")
	set.StringVar(&kubeconfig, "kubeconfig", "", "file to reach the cluster with; default: KUBECONFIG, else the pod's service account")
	flags := config.AddFlags(set)
	command.RunE = func(command *cobra.Command, _ []string) error {
		var file []byte
		if configPath != "" {
			var err error
			if file, err = os.ReadFile(configPath); err != nil {
				return fmt.Errorf("read --config: %w", err)
			}
		}
		settings, err := config.Load(command.Context(), file, os.Environ(), flags)
		if err != nil {
			return err
		}
		log := newLogger(settings.Log)
		kube, err := restConfig(kubeconfig)
		if err != nil {
			return err
		}
		return crm.Run(command.Context(), settings, kube, log)
	}
	return command
}

// newLogger writes JSON lines and takes in what libraries log.
func newLogger(level config.LogLevel) logr.Logger {
	enabled := zapcore.InfoLevel
	if level == config.LogDebug {
		enabled = zapcore.DebugLevel
	}
	log := zap.New(zap.UseDevMode(false), zap.Level(enabled))
	logf.SetLogger(log)
	klog.SetLogger(log.WithName("client"))
	return log
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	kube, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig, KUBECONFIG or a service account): %w", err)
	}
	return kube, nil
}
