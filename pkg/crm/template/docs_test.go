// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestEveryVariableIsDocumented holds that docs/templates.md lists what expressions
// can use.
func TestEveryVariableIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "templates.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[Record](), reflect.TypeFor[Function](), reflect.TypeFor[Request](), reflect.TypeFor[Environment](),
		reflect.TypeFor[ODGM](), reflect.TypeFor[Names](), reflect.TypeFor[Analysis](), reflect.TypeFor[Features](),
	} {
		for field := range of.Fields() {
			name := field.Tag.Get("json")
			if name == "" {
				t.Errorf("%s.%s has no name in expressions", of.Name(), field.Name)
			}
			if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+name+".") {
				t.Errorf("%s.%s is not in docs/templates.md", of.Name(), name)
			}
		}
	}
	for name := range (&Input{}).variables() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("variable %s is not in docs/templates.md", name)
		}
	}
}
