// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxSize is the greatest size of a file, in bytes.
	MaxSize = 16 << 20
	// maxDepth bounds nesting, aliases followed, so that walking a document never
	// exhausts the stack.
	maxDepth = 100
	// maxNodes and maxText bound the values of a document, and the bytes of text in
	// them, with every alias written out: a small file can otherwise stand for
	// billions.
	maxNodes = 1_000_000
	maxText  = MaxSize
)

// yamlPlace is the place in the YAML parser's own messages.
var yamlPlace = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// load splits a file into documents; empty ones are left out. Documents that
// are well-formed, but unsafe or ambiguous to read, are refused.
func load(file string, data []byte) ([]*yaml.Node, *Error) {
	if len(data) > MaxSize {
		return nil, &Error{Problems: []Problem{{File: file, Message: fmt.Sprintf(
			"%d bytes are more than the %d that a file may have: split it", len(data), MaxSize)}}}
	}
	var docs []*yaml.Node
	var problems []Problem
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		doc := &yaml.Node{}
		err := decoder.Decode(doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems = append(problems, Problem{File: file, Line: syntaxLine(data), Message: "not valid YAML: " + syntaxMessage(err)})
			break
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		root := doc.Content[0]
		c := checker{file: file, extents: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
		c.measure(root, 0)
		if len(c.problems) > 0 {
			problems = append(problems, c.problems...)
			continue
		}
		docs = append(docs, root)
	}
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return docs, nil
}

// syntaxMessage is the parser's message without its own idea of the line, which
// is that of the surrounding block and counted from 0 or from 1.
func syntaxMessage(err error) string {
	return yamlPlace.ReplaceAllString(err.Error(), "")
}

// syntaxLine finds the line at which the text stops being YAML: the first line
// after which nothing that follows can mend it. The lines up to there are parsed
// again, so a long file costs a handful of readings.
func syntaxLine(data []byte) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	whole := syntaxError(data)
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		return syntaxError(bytes.Join(lines[:i+1], nil)) == whole
	})
}

func syntaxError(data []byte) string {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		err := decoder.Decode(&yaml.Node{})
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return syntaxMessage(err)
		}
	}
}

// checker measures a document before anything walks it.
type checker struct {
	file     string
	extents  map[*yaml.Node]extent
	open     map[*yaml.Node]bool
	problems []Problem
	stopped  bool
}

func (c *checker) refuse(n *yaml.Node, fatal bool, format string, args ...any) {
	c.problems = append(c.problems, Problem{File: c.file, Line: n.Line, Message: fmt.Sprintf(format, args...)})
	c.stopped = c.stopped || fatal
}

// extent is how many values a node stands for, and how many bytes of text.
type extent struct{ values, text int }

// measure returns the extent of n with aliases written out. Each node is visited
// once, however often it is referred to.
func (c *checker) measure(n *yaml.Node, depth int) extent {
	if c.stopped {
		return extent{}
	}
	if depth > maxDepth {
		c.refuse(n, true, "nested more than %d levels deep", maxDepth)
		return extent{}
	}
	if n.Kind == yaml.AliasNode {
		if c.open[n.Alias] {
			c.refuse(n, true, "*%s refers to a value that contains it", n.Value)
			return extent{}
		}
		n = n.Alias
	}
	if known, done := c.extents[n]; done {
		return known
	}
	c.open[n] = true
	defer delete(c.open, n)
	if n.Kind == yaml.MappingNode {
		c.checkKeys(n)
	}
	total := extent{values: 1, text: len(n.Value)}
	for _, child := range n.Content {
		part := c.measure(child, depth+1)
		total.values += part.values
		total.text += part.text
		switch {
		case total.values > maxNodes:
			c.refuse(n, true, "stands for more than %d values: write aliases out or split the file", maxNodes)
			return extent{}
		case total.text > maxText:
			c.refuse(n, true, "stands for more than %d MiB of text: write aliases out or split the file", maxText>>20)
			return extent{}
		}
	}
	c.extents[n] = total
	return total
}

// checkKeys refuses keys that would make one value silently win over another.
func (c *checker) checkKeys(n *yaml.Node) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			c.refuse(n.Content[i], false, "a key must be a single value")
			continue
		}
		if first, again := seen[key.Value]; again {
			c.refuse(n.Content[i], false, "duplicate key %q: it already stands on line %d", key.Value, first)
			continue
		}
		seen[key.Value] = n.Content[i].Line
	}
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	n = resolve(n)
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// entry is one key of a mapping with its value.
type entry struct {
	name  string
	line  int
	value *yaml.Node
}

// entries are the keys of a mapping in their order, those that are merged in
// with << last; a key of the mapping itself wins over a merged one.
func entries(n *yaml.Node) []entry {
	var own []entry
	var merged []*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		seen[key.Value] = true
		own = append(own, entry{name: key.Value, line: n.Content[i].Line, value: value})
	}
	for _, source := range merged {
		source = resolve(source)
		sources := []*yaml.Node{source}
		if source.Kind == yaml.SequenceNode {
			sources = source.Content
		}
		for _, s := range sources {
			if s = resolve(s); s.Kind != yaml.MappingNode {
				continue
			}
			for _, e := range entries(s) {
				if !seen[e.name] {
					seen[e.name] = true
					own = append(own, e)
				}
			}
		}
	}
	return own
}

func find(n *yaml.Node, name string) (entry, bool) {
	for _, e := range entries(n) {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}
