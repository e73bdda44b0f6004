// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package version tells which build of the programs is running.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -X oaas.io/oaas/pkg/version.version=v1.2.3.
var version = "v0.0.0-dev"

// Info describes a build.
type Info struct {
	// Version is the release, such as v0.1.0; v0.0.0-dev for a build by hand.
	Version string `json:"version"`
	// Commit is the revision that was built, as far as the Go tool recorded it.
	Commit string `json:"commit,omitempty"`
	// GoVersion is the compiler's version.
	GoVersion string `json:"goVersion"`
	// Platform is the operating system and the processor.
	Platform string `json:"platform"`
}

// Get returns the running build.
func Get() Info {
	info := Info{
		Version:   version,
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				info.Commit = setting.Value
			}
		}
	}
	return info
}

// String is the version in one line.
func (i Info) String() string {
	return fmt.Sprintf("%s (%s, %s)", i.Version, i.GoVersion, i.Platform)
}
