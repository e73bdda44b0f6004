// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// progress shows lines that change: redrawn in place on a terminal, appended one
// by one elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	width    func() int
	drawn    int
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, width: func() int { return 0 }}
	file, isFile := out.(*os.File)
	if isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		p.terminal = true
		p.width = func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	}
	return p
}

// show draws the block of lines in place of the one before on a terminal, and
// the changed lines elsewhere.
func (p *progress) show(block, changed []string) {
	if !p.terminal {
		for _, line := range changed {
			fmt.Fprintln(p.out, line)
		}
		return
	}
	var b strings.Builder
	p.erase(&b)
	width := p.width()
	for _, line := range block {
		b.WriteString(fit(line, width) + "\n")
	}
	p.drawn = len(block)
	io.WriteString(p.out, b.String()) //nolint:errcheck // Progress that cannot be shown must not end the work.
}

// clear removes the block, to make room for lines that stay.
func (p *progress) clear() {
	if !p.terminal {
		return
	}
	var b strings.Builder
	p.erase(&b)
	p.drawn = 0
	io.WriteString(p.out, b.String()) //nolint:errcheck // As in show.
}

func (p *progress) erase(b *strings.Builder) {
	if p.drawn > 0 {
		// Up, to the first column, and everything below goes.
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", p.drawn)
	}
}

// fit cuts a line so that it takes one row, else redrawing would count wrong.
func fit(line string, width int) string {
	runes := []rune(line)
	if width <= 1 || len(runes) < width {
		return line
	}
	return string(runes[:width-2]) + "…"
}
