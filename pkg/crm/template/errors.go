// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"strings"
)

// Error tells where a template is at fault.
type Error struct {
	// Template is the template's name.
	Template string
	// Manifest is the manifest's name; empty for selectionCriteria.when.
	Manifest string
	// Field is the path inside the manifest, such as spec.replicas, or forEach,
	// includeWhen or selectionCriteria.when.
	Field string
	// Expression is the source of the expression, without ${ and }; empty where none
	// is at fault.
	Expression string
	// Line and Column in the string that the field holds, from 1; 0 where unknown.
	Line, Column int
	// Err is what is wrong.
	Err error
}

// Error reads like: template "web", manifest "service", spec.ports[0].port, line 1,
// column 4: expression "item.prot": undefined field 'prot'.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "template %q", e.Template)
	if e.Manifest != "" {
		fmt.Fprintf(&b, ", manifest %q", e.Manifest)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, ", %s", e.Field)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d, column %d", e.Line, e.Column)
	}
	if e.Expression != "" {
		fmt.Fprintf(&b, ": expression %q", short(e.Expression))
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// shortLength is how much of a text a message shows, in bytes.
const shortLength = 160

// short keeps a long text from hiding what is wrong with it.
func short(text string) string {
	if len(text) <= shortLength {
		return text
	}
	return strings.ToValidUTF8(text[:shortLength], "") + "…"
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

var (
	errTooMuchWork = errors.New("takes too much work: make the expression simpler, or its lists shorter")
	errTooDeep     = errors.New("nests too deep")
)
