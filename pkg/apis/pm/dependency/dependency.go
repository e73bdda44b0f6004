// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dependency holds the two rules by which packages refer to each other:
// which versions a range accepts, and how a function of another package is named.
package dependency

import (
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Accepts is true when the range of a dependency accepts the version of a
// package. An empty range accepts every version, also none; any other accepts
// only what can be read as a semantic version.
func Accepts(versionRange, version string) bool {
	if versionRange == "" {
		return true
	}
	wanted, err := semver.NewConstraint(versionRange)
	if err != nil {
		return false
	}
	has, err := semver.NewVersion(version)
	return err == nil && wanted.Check(has)
}

// SplitFunctionKey splits a key of the form <package>.<function>. Names of
// packages have no dots, so the first one separates; the function's own key may
// have more. ok is false for a key that is not of this form.
func SplitFunctionKey(key string) (packageName, functionKey string, ok bool) {
	packageName, functionKey, ok = strings.Cut(key, ".")
	return packageName, functionKey, ok && packageName != "" && functionKey != ""
}
