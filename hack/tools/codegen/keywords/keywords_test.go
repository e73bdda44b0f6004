// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package keywords

import (
	"testing"

	"k8s.io/gengo/v2/namer"
	"k8s.io/gengo/v2/types"
)

func TestAvoidReplacesKeywordsOnly(t *testing.T) {
	for sentence, test := range map[string]struct{ kind, want string }{
		"the kind Package gets the usual abbreviation": {kind: "Package", want: "pkg"},
		"another keyword gets an underscore":           {kind: "Func", want: "func_"},
		"a name that is no keyword stays":              {kind: "Cluster", want: "cluster"},
		"a name that starts with a keyword stays":      {kind: "PackageList", want: "packageList"},
	} {
		t.Run(sentence, func(t *testing.T) {
			systems := Avoid(namer.NameSystems{"private": namer.NewPrivateNamer(0)})
			got := systems["private"].Name(&types.Type{Name: types.Name{Package: "example.com/api", Name: test.kind}})
			if got != test.want {
				t.Errorf("variable for kind %s: got %q, want %q", test.kind, got, test.want)
			}
		})
	}
}
