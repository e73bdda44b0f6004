// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package wording

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		room int
		want string
	}{
		"nothing":                              {"", 8, ""},
		"what fits":                            {"twelve bytes", 12, "twelve bytes"},
		"what is one byte longer":              {"thirteen byte", 12, "thirteen …"},
		"a character is not cut in half":       {"ääääää", 8, "ää…"},
		"what was no text before is, when cut": {"ab\xffcdefgh", 8, "abcd…"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Cut(test.text, test.room)
			if got != test.want || len(got) > test.room || !utf8.ValidString(got) {
				t.Errorf("got %q of %d bytes, want %q", got, len(got), test.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	names := strings.Fields("a b c d e f g h i j")
	for _, test := range []struct {
		names []string
		all   int
		want  string
	}{
		{nil, 0, ""},
		{names[:2], 2, "a, b"},
		{names[:ShownNames], ShownNames, "a, b, c, d, e, f, g, h"},
		{names, len(names), "a, b, c, d, e, f, g, h and 2 more"},
		{names[:2], 1000, "a, b and 998 more"},
	} {
		t.Run(fmt.Sprintf("%d of %d", len(test.names), test.all), func(t *testing.T) {
			if got := First(test.names, test.all); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := Names(names); got != "a, b, c, d, e, f, g, h and 2 more" {
		t.Errorf("got %q", got)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 units", 1: "1 unit", 2: "2 units"} {
		if got := Count(n, "unit"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
