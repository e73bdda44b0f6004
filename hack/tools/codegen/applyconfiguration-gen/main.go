// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command applyconfiguration-gen is that of k8s.io/code-generator, for kinds
// whose name is a Go keyword when it starts with a small letter.
package main

import (
	"flag"

	"github.com/spf13/pflag"
	"k8s.io/code-generator/cmd/applyconfiguration-gen/args"
	"k8s.io/code-generator/cmd/applyconfiguration-gen/generators"
	"k8s.io/gengo/v2"
	"k8s.io/gengo/v2/generator"
	"k8s.io/klog/v2"

	"oaas.io/oaas/hack/tools/codegen/keywords"
)

func main() {
	klog.InitFlags(nil)
	options := args.New()
	options.AddFlags(pflag.CommandLine, "")
	pflag.CommandLine.AddGoFlagSet(flag.CommandLine)
	pflag.Parse()

	if err := options.Validate(); err != nil {
		klog.Exitf("applyconfiguration-gen: %v", err)
	}
	targets := func(context *generator.Context) []generator.Target {
		return generators.GetTargets(context, options)
	}
	if err := gengo.Execute(
		keywords.Avoid(generators.NameSystems()),
		generators.DefaultNameSystem(),
		targets,
		gengo.StdBuildTag,
		pflag.Args(),
	); err != nil {
		klog.Exitf("applyconfiguration-gen: %v", err)
	}
}
