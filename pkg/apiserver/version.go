// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"

	"oaas.io/oaas/pkg/version"
)

// productVersion answers /version with this build. Major and minor stay those of
// the Kubernetes API that is served, which is what clients compare.
type productVersion struct {
	compatibility.EffectiveVersion
}

// Info describes the build.
func (v productVersion) Info() *apiversion.Info {
	info, build := *v.EffectiveVersion.Info(), version.Get()
	info.GitVersion, info.GitCommit = build.Version, build.Commit
	// Not known of a build of ours, and left over from the libraries otherwise.
	info.GitTreeState, info.BuildDate = "", ""
	info.GoVersion, info.Platform = build.GoVersion, build.Platform
	return &info
}
