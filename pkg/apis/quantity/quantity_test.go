// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quantity

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases := map[string]struct {
		text string
		want string
	}{
		"a whole number":                    {"2", "2"},
		"thousandths":                       {"500m", "500m"},
		"a binary suffix":                   {"1.5Gi", "1536Mi"},
		"an exponent":                       {"1e3", "1e3"},
		"no digit before the point":         {".5", "500m"},
		"a sign":                            {"-1", "-1"},
		"many digits":                       {"1" + strings.Repeat("0", 17), "100P"},
		"more digits than that":             {strings.Repeat("9", 1000), ""},
		"more digits of a fraction":         {"0." + strings.Repeat("9", 1000), ""},
		"an exponent that nobody waits for": {"1e-2147483640", ""},
		"one that takes all memory":         {"1E+2147483640", ""},
		"an unknown suffix":                 {"1Zi", ""},
		"nothing":                           {"", ""},
		"words":                             {"a lot", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.text)
			if (err == nil) != (tc.want != "") || err == nil && got.String() != tc.want {
				t.Errorf("Parse(%.40q) = %s, %v, want %q", tc.text, got.String(), err, tc.want)
			}
		})
	}
}
