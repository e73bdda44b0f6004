// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	t.Chdir("../..")
	var page bytes.Buffer
	if err := render(&page); err != nil {
		t.Fatal(err)
	}
	for sentence, line := range map[string]string{
		"a kind tells its resource":               "Resource `packages` (namespaced), short `opkg`",
		"a rule of a field is told":               "*required; at most 200 characters.*",
		"the values of an enumeration are told":   "One of `BestEffort`, `Refuse`.",
		"an embedded type's fields are in place":  "| `packageDisabled` | boolean |",
		"a type of the other group is linked too": "(#oaas.io-deploymentunit)",
	} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("%s: no %q", sentence, line)
		}
	}
	for line := range strings.Lines(page.String()) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("a field without a meaning: %s", line)
		}
	}
	written, err := os.ReadFile("docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, page.Bytes()) {
		t.Error("docs/api.md is out of date: run make generate")
	}
}
