// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// completionTimeout bounds what pressing the tab key may cost.
const completionTimeout = 3 * time.Second

// registerCompletions lets shells complete names and values. kubectl finds them
// through an executable kubectl_complete-oaas that calls __complete.
func registerCompletions(root *cobra.Command, common *shared) {
	fixed := func(values ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	outputs := map[string][]string{
		"deploy":  {"name", "json", "yaml"},
		"status":  {"wide", "name", "json", "yaml"},
		"plan":    {"json", "yaml"},
		"render":  {"json", "yaml"},
		"version": {"json", "yaml"},
		"delete":  {"name"},
	}
	for _, cmd := range root.Commands() {
		register(cmd, "output", fixed(outputs[cmd.Name()]...))
		register(cmd, "dry-run", fixed("none", "client", "server"))
		switch cmd.Name() {
		case "status":
			cmd.ValidArgsFunction = common.completeNames(1, "ClassDeployment", "Package")
		case "plan", "render":
			cmd.ValidArgsFunction = common.completeNames(1, "ClassDeployment")
		case "delete":
			cmd.ValidArgsFunction = common.completeNames(0, "Package")
			register(cmd, "deployment", common.completeNames(0, "ClassDeployment"))
		default:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// register adds a completion to a flag that the command has.
func register(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if cmd.Flags().Lookup(flag) != nil {
		// The only error is a second registration.
		_ = cmd.RegisterFlagCompletionFunc(flag, complete)
	}
}

// completeNames offers the names of objects; most bounds the arguments, 0 does
// not. A cluster that does not answer offers nothing.
func (s *shared) completeNames(most int, kindNames ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, completionTimeout)
		defer cancel()
		c, err := s.connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, name := range kindNames {
			list, err := c.resource(kindNamed(name), c.namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for i := range list.Items {
				names = append(names, list.Items[i].GetName())
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
