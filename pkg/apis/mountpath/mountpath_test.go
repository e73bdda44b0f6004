// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package mountpath

import "testing"

func TestProblem(t *testing.T) {
	for text, fine := range map[string]bool{
		"/a": true, "/a/": true, "/a/../b": true, "/...": true, "/é": true,
		"": false, "a": false, "./a": false, "/": false, "//": false, "/a/..": false, "/./": false, "/a:b": false, "/a\x00": false, "/a\n": false,
	} {
		if got := Problem(text); (got == "") != fine {
			t.Errorf("Problem(%q) = %q", text, got)
		}
	}
}

func TestPartProblem(t *testing.T) {
	for text, fine := range map[string]bool{
		"": true, ".": true, "a/b": true, "a/": true, ".a": true, "..a": true, "...": true,
		"/a": false, "..": false, "a/../b": false, "a/..": false, "a\tb": false,
	} {
		if got := PartProblem(text); (got == "") != fine {
			t.Errorf("PartProblem(%q) = %q", text, got)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{"": "", "/a/": "/a", "/a//b/.": "/a/b"} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"": "", ".": "", "./": "", ".a": ".a", "a//b/": "a/b"} {
		if got := CleanPart(text); got != want {
			t.Errorf("CleanPart(%q) = %q, want %q", text, got, want)
		}
	}
}
