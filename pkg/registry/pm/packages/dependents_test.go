// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A package of functions that everybody binds is one object in etcd, too.
func TestTheListOfDependentsNamesTheFirstFunctions(t *testing.T) {
	functions := func(n int) []string {
		keys := make([]string, 0, n)
		for i := range n {
			keys = append(keys, fmt.Sprintf("Cart.function-%05d", i))
		}
		return keys
	}
	for name, test := range map[string]struct {
		dependents, functions, listed, named int
	}{
		"none":                              {},
		"one that binds nothing":            {dependents: 1, listed: 1},
		"as much as is listed":              {dependents: listedDependents, functions: listedFunctions, listed: listedDependents, named: listedFunctions},
		"one more of each":                  {dependents: listedDependents + 1, functions: listedFunctions + 1, listed: listedDependents, named: listedFunctions},
		"a thousand with thousands of them": {dependents: 1000, functions: 5000, listed: listedDependents, named: listedFunctions},
	} {
		t.Run(name, func(t *testing.T) {
			keys := functions(test.functions)
			var dependents []dependent
			for i := range test.dependents {
				dependents = append(dependents, dependent{name: fmt.Sprintf("web-%04d", i), need: need{versions: ">=1", functions: keys}})
			}
			list := listOf(dependents, nil, metav1.NewTime(time.Unix(1, 0)))
			if len(list) != test.listed {
				t.Fatalf("%d dependents are listed, want %d", len(list), test.listed)
			}
			for i, entry := range list {
				if want := fmt.Sprintf("web-%04d", i); entry.Name != want {
					t.Errorf("dependent %d is %s, want %s", i, entry.Name, want)
				}
				if !slices.Equal(entry.Functions, keys[:test.named]) || int(entry.FunctionCount) != test.functions {
					t.Errorf("%s names the functions %q of %d, want %q of %d", entry.Name, entry.Functions, entry.FunctionCount, keys[:test.named], test.functions)
				}
			}
		})
	}
}
