// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	text := func(text string, at position) piece { return piece{text: text, at: at} }
	expression := func(text string, at position) piece { return piece{text: text, expression: true, at: at} }
	cases := map[string]struct {
		source string
		want   []piece
	}{
		"nothing is no piece":                   {``, nil},
		"text is one piece":                     {`a$b$$c{}`, []piece{text(`a$b$$c{}`, position{1, 1})}},
		"an expression by itself":               {`${ item.name }`, []piece{expression(` item.name `, position{1, 3})}},
		"text around expressions":               {`a-${x}-${y}`, []piece{text("a-", position{1, 1}), expression("x", position{1, 5}), text("-", position{1, 7}), expression("y", position{1, 10})}},
		"an escape is text":                     {`$${x} ${y}`, []piece{text("${x} ", position{1, 1}), expression("y", position{1, 9})}},
		"a dollar before an escape stays":       {`$$${x}`, []piece{text("$${x}", position{1, 1})}},
		"braces nest":                           {`${ {"a": {"b": 1}}.a.b }`, []piece{expression(` {"a": {"b": 1}}.a.b `, position{1, 3})}},
		"a brace in a literal does not close":   {`${ "}" + '}' }`, []piece{expression(` "}" + '}' `, position{1, 3})}},
		"an escaped quote does not end":         {`${ "\"}" }`, []piece{expression(` "\"}" `, position{1, 3})}},
		"a backslash in a raw literal is text":  {`${ r"\" + "}" }`, []piece{expression(` r"\" + "}" `, position{1, 3})}},
		"raw bytes are raw":                     {`${ bR'\' + b'}' }`, []piece{expression(` bR'\' + b'}' `, position{1, 3})}},
		"long literals hold quotes and lines":   {"${ '''a'}\n''' }!", []piece{expression(" '''a'}\n''' ", position{1, 3}), text("!", position{2, 6})}},
		"long literals of the other quote":      {`${ """a"}""" }`, []piece{expression(` """a"}""" `, position{1, 3})}},
		"a comment hides braces and quotes":     {"${ 1 // it's a }\n }", []piece{expression(" 1 // it's a }\n ", position{1, 3})}},
		"a division is no comment":              {"${ 4 / 2 }", []piece{expression(" 4 / 2 ", position{1, 3})}},
		"a quoted name hides braces":            {"${ a.`}` }", []piece{expression(" a.`}` ", position{1, 3})}},
		"positions count characters and lines":  {"ä\nöü${x}", []piece{text("ä\nöü", position{1, 1}), expression("x", position{2, 5})}},
		"text behind the last expression stays": {"${x}}", []piece{expression("x", position{1, 3}), text("}", position{1, 5})}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := scan(tc.source)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(piece{}, position{})); diff != "" {
				t.Errorf("pieces differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	cases := map[string]struct {
		source string
		at     position
	}{
		"an expression without an end":  {"a\n ${ x", position{2, 2}},
		"a literal without an end":      {`${ "x } `, position{1, 1}},
		"a literal across lines":        {"${ 'a\n' }", position{1, 1}},
		"a comment without an end":      {"${ 1 // }", position{1, 1}},
		"a quoted name without an end":  {"${ `a }", position{1, 1}},
		"an empty expression":           {"ab${ }", position{1, 3}},
		"an escape at the very end":     {`${ "\`, position{1, 1}},
		"a raw prefix that ends a name": {`${ bar"\"}" `, position{1, 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := scan(tc.source)
			if err == nil {
				t.Fatal("was accepted")
			}
			if err.at != tc.at {
				t.Errorf("error at %v, want %v", err.at, tc.at)
			}
		})
	}
}

// FuzzScan looks for strings whose pieces are not the string, and for panics.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{"", "a", "${x}", "$${x}", "${ {'}': r\"\\\"} }", "${ '''}''' }", "${ // }\n1 }", "${`}`}", "ä${ö}$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		pieces, err := scan(source)
		if err != nil {
			if err.at.line < 1 || err.at.column < 1 {
				t.Fatalf("error at %v", err.at)
			}
			return
		}
		var again strings.Builder
		for i, piece := range pieces {
			if !piece.expression {
				if i > 0 && !pieces[i-1].expression {
					t.Fatalf("two pieces of text beside each other in %q", source)
				}
				again.WriteString(strings.ReplaceAll(piece.text, open, escaped))
				continue
			}
			again.WriteString(open + piece.text + "}")
		}
		if got := again.String(); got != source {
			t.Fatalf("pieces make %q, want %q", got, source)
		}
	})
}
