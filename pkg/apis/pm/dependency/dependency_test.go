// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package dependency_test

import (
	"testing"

	"oaas.io/oaas/pkg/apis/pm/dependency"
)

func TestAccepts(t *testing.T) {
	for name, test := range map[string]struct {
		versionRange, version string
		want                  bool
	}{
		"no range accepts any version":                      {"", "0.1", true},
		"no range accepts a package without a version":      {"", "", true},
		"a version within the range":                        {">=1.2 <2", "1.9.9", true},
		"a version below the range":                         {">=1.2 <2", "1.1.9", false},
		"the upper bound is excluded":                       {">=1.2 <2", "2.0.0", false},
		"short versions count as if zeros followed":         {"^1.2", "1.2", true},
		"a package without a version fits no range":         {">=0", "", false},
		"a version that is none fits no range":              {">=0", "newest", false},
		"a range that cannot be read accepts nothing":       {"about 1", "1.0.0", false},
		"a pre-release needs a range that mentions one":     {">=1.0", "1.1.0-rc.1", false},
		"a range that mentions a pre-release accepts later": {">=1.0-0", "1.1.0-rc.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := dependency.Accepts(test.versionRange, test.version); got != test.want {
				t.Errorf("%q accepts %q: %t, want %t", test.versionRange, test.version, got, test.want)
			}
		})
	}
}

func TestSplitFunctionKey(t *testing.T) {
	for key, want := range map[string]struct {
		packageName, functionKey string
		ok                       bool
	}{
		"images.resize":       {"images", "resize", true},
		"images.Image.resize": {"images", "Image.resize", true},
		"resize":              {},
		".resize":             {},
		"images.":             {},
	} {
		packageName, functionKey, ok := dependency.SplitFunctionKey(key)
		if ok != want.ok || ok && (packageName != want.packageName || functionKey != want.functionKey) {
			t.Errorf("%q is split into %q and %q (%t), want %+v", key, packageName, functionKey, ok, want)
		}
	}
}
