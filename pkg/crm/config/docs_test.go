// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
)

// TestEverySettingIsDocumented holds that an operator finds each variable on a page.
func TestEverySettingIsDocumented(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "docs", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no pages:", err)
	}
	var pages strings.Builder
	for _, path := range paths {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(page)
	}
	all := envconfig.LookuperFunc(func(name string) (string, bool) {
		if !strings.Contains(pages.String(), "`"+EnvPrefix+name+"`") {
			t.Errorf("no page tells of %s%s", EnvPrefix, name)
		}
		return "", false
	})
	if err := envconfig.ProcessWith(t.Context(), &envconfig.Config{Target: &Config{}, Lookuper: all}); err != nil {
		t.Fatal(err)
	}
}
