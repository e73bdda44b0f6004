// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command golangci-lint is golangci-lint with the Kubernetes API conventions
// linter compiled in. Upstream reaches the same binary with `golangci-lint
// custom`, which clones a repository; a main package pinned by go.sum needs the
// module proxy alone.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"

	// Registers the linter that .golangci.yml names "kubeapilinter".
	_ "sigs.k8s.io/kube-api-linter"
)

const linterModule = "github.com/golangci/golangci-lint/v2"

func main() {
	if err := commands.Execute(buildInfo()); err != nil {
		fmt.Fprintf(os.Stderr, "golangci-lint: %v\n", err)
		os.Exit(exitcodes.Failure)
	}
}

// buildInfo reports the version of the linter module rather than that of this
// main package, because golangci-lint keys its cache and its configuration
// checks by it.
func buildInfo() commands.BuildInfo {
	info := commands.BuildInfo{GoVersion: runtime.Version(), Version: "unknown", Commit: "unknown", Date: "unknown"}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, dep := range build.Deps {
		if dep.Path == linterModule {
			info.Version = strings.TrimPrefix(dep.Version, "v")
			info.Commit = dep.Sum
		}
	}
	return info
}
