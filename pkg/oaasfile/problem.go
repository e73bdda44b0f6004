// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is something wrong at one place of a file.
type Problem struct {
	// File is the file's name as it was given to Parse.
	File string
	// Line is the line, counted from 1; 0 when the whole file is meant.
	Line int
	// Field is the path of the field, such as classes[0].key; empty when the
	// problem is with the document rather than with a field.
	Field string
	// Message says what is wrong and what to write instead.
	Message string
}

// String is the problem in one line: file:line: field: message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error is why a file was refused: all its problems at once.
type Error struct {
	// Problems are sorted by line.
	Problems []Problem
	// Legacy is true when the file is in the older camelCase form.
	Legacy bool
}

// shownProblems bounds how many problems a message lists.
const shownProblems = 100

// Error lists the first problems, one a line.
func (e *Error) Error() string {
	shown := e.Problems[:min(len(e.Problems), shownProblems)]
	lines := make([]string, 0, len(shown)+2)
	if e.Legacy && len(e.Problems) > 0 {
		lines = append(lines, e.Problems[0].File+": written in the older camelCase form of OaaS package files, which is not read; "+
			"the present form is snake_case. Change these fields:")
	}
	for _, p := range shown {
		lines = append(lines, p.String())
	}
	if more := len(e.Problems) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more problems", e.Problems[0].File, more))
	}
	return strings.Join(lines, "\n")
}

func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}
