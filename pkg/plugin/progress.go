// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// progress shows lines that change: redrawn in place on a terminal, appended one
// by one elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	// size is the terminal's columns and rows; zeros when unknown.
	size  func() (columns, rows int)
	drawn int
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, size: func() (int, int) { return 0, 0 }}
	file, isFile := out.(*os.File)
	if isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		p.terminal = true
		p.size = func() (int, int) {
			columns, rows, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 0, 0
			}
			return columns, rows
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
	columns, rows := p.size()
	// What scrolled off the screen cannot be redrawn, so the block must fit; its
	// last line is the one that sums up.
	if rows > 2 && len(block) >= rows {
		hidden := len(block) - rows + 2
		block = slices.Concat(block[:rows-3], []string{fmt.Sprintf("… %d more lines", hidden)}, block[len(block)-1:])
	}
	for _, line := range block {
		b.WriteString(fit(line, columns) + "\n")
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
	if width <= 1 {
		return line
	}
	used, cut := 0, 0
	for at, r := range line {
		// One column stays free, and one more where the mark of the cut must go.
		if used <= width-2 {
			cut = at
		}
		if used += columnsOf(r); used >= width {
			return line[:cut] + "…"
		}
	}
	return line
}

// columnsOf is how many columns a character takes at the most. Characters of East
// Asia and pictures take two; between them and what is written in letters there are
// the signs of a tree.
func columnsOf(r rune) int {
	const firstWide, firstSign, afterSigns = 0x1100, 0x2000, 0x2E80
	if r < firstWide || r >= firstSign && r < afterSigns {
		return 1
	}
	return 2
}
