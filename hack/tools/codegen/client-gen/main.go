// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command client-gen is that of k8s.io/code-generator, for kinds whose name is a
// Go keyword when it starts with a small letter.
package main

import (
	"flag"
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/code-generator/cmd/client-gen/args"
	"k8s.io/code-generator/cmd/client-gen/generators"
	"k8s.io/code-generator/pkg/util"
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
		klog.Exitf("client-gen: %v", err)
	}
	var packages []string
	for _, group := range options.Groups {
		for _, version := range group.Versions {
			packages = append(packages, version.Package)
		}
	}
	// The order of the flags must not show in the output.
	slices.Sort(packages)

	targets := func(context *generator.Context) []generator.Target {
		return generators.GetTargets(context, options)
	}
	if err := gengo.Execute(
		keywords.Avoid(generators.NameSystems(util.PluralExceptionListToMapOrDie(options.PluralExceptions))),
		generators.DefaultNameSystem(),
		targets,
		gengo.StdBuildTag,
		packages,
	); err != nil {
		klog.Exitf("client-gen: %v", err)
	}
}
