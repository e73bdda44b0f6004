// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	// open starts an expression in a string.
	open = "${"
	// escaped is how a string says ${ itself.
	escaped = "$${"
)

// piece is a part of a string: text as it stands, or an expression.
type piece struct {
	// text is the text, or the source of the expression.
	text       string
	expression bool
	// at is where text begins.
	at position
}

// position in a string, both from 1; columns count characters.
type position struct{ line, column int }

func (p position) after(text string) position {
	if lines := strings.Count(text, "\n"); lines > 0 {
		p.line += lines
		p.column = 1
		text = text[strings.LastIndexByte(text, '\n')+1:]
	}
	p.column += utf8.RuneCountInString(text)
	return p
}

// scanError tells where a string cannot be split.
type scanError struct {
	at  position
	err error
}

func (e *scanError) Error() string { return e.err.Error() }

var (
	errUnclosed = errors.New("the expression is not closed: write } behind it, or $${ for the text ${")
	errEmpty    = errors.New("the expression is empty: write one, or $${ for the text ${")
)

// scan splits a string into text and expressions. Neighbouring text is one piece.
func scan(source string) ([]piece, *scanError) {
	var (
		pieces []piece
		text   strings.Builder
		began  position
	)
	at := position{line: 1, column: 1}
	take := func(n int) string {
		taken := source[:n]
		source, at = source[n:], at.after(taken)
		return taken
	}
	flush := func() {
		if text.Len() > 0 {
			pieces = append(pieces, piece{text: text.String(), at: began})
			text.Reset()
		}
	}
	for source != "" {
		if text.Len() == 0 {
			began = at
		}
		switch next := strings.IndexByte(source, '$'); {
		case next < 0:
			text.WriteString(take(len(source)))
		case next > 0:
			text.WriteString(take(next))
		case strings.HasPrefix(source, escaped):
			take(len(escaped))
			text.WriteString(open)
		case strings.HasPrefix(source, open):
			flush()
			start := at
			take(len(open))
			end := closing(source)
			if end < 0 {
				return nil, &scanError{at: start, err: errUnclosed}
			}
			if strings.TrimSpace(source[:end]) == "" {
				return nil, &scanError{at: start, err: errEmpty}
			}
			pieces = append(pieces, piece{text: source[:end], expression: true, at: at})
			take(end + 1)
		default:
			text.WriteString(take(1))
		}
	}
	flush()
	return pieces, nil
}

// closing is the index of the brace that closes an expression, or -1. Braces in
// literals and comments, and those that the expression itself opens, do not count.
func closing(source string) int {
	depth := 0
	for i := 0; i < len(source); {
		switch c := source[i]; c {
		case '{':
			depth++
			i++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case '"', '\'':
			length := literal(source[i:], raw(source[:i]))
			if length < 0 {
				return -1
			}
			i += length
		case '`':
			// A quoted name, as in labels.`oaas.io/class`.
			end := strings.IndexByte(source[i+1:], '`')
			if end < 0 {
				return -1
			}
			i += end + 2
		case '/':
			i++
			if strings.HasPrefix(source[i:], "/") {
				end := strings.IndexByte(source[i:], '\n')
				if end < 0 {
					return -1
				}
				i += end
			}
		default:
			i++
		}
	}
	return -1
}

// raw tells whether the literal behind the text is raw, so that a backslash in it
// means itself: r"", and together with bytes br"" and rb"".
func raw(before string) bool {
	prefix := before[len(strings.TrimRight(before, "rRbB")):]
	if len(prefix) == 0 || len(prefix) > 2 || !strings.ContainsAny(prefix, "rR") {
		return false
	}
	rest := before[:len(before)-len(prefix)]
	if rest == "" {
		return true
	}
	last := rest[len(rest)-1]
	// In bar"" the r ends a name.
	return last != '_' && (last < '0' || last > '9') && (last < 'a' || last > 'z') && (last < 'A' || last > 'Z')
}

// literal is the length of the string literal that the source starts with, quotes
// included, or -1 where it does not end.
func literal(source string, raw bool) int {
	quote := source[:1]
	long := strings.Repeat(quote, 3)
	if strings.HasPrefix(source, long) {
		quote = long
	}
	for i := len(quote); i < len(source); {
		switch {
		case strings.HasPrefix(source[i:], quote):
			return i + len(quote)
		case source[i] == '\\' && !raw:
			i += 2
		case source[i] == '\n' && len(quote) == 1:
			return -1
		default:
			i++
		}
	}
	return -1
}
