// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packagegraph decides about packages that depend on each other: whether
// they depend on each other in a circle, and in which order they can go. It knows
// names only; where the edges come from, and whether they still hold, is for
// others to know.
package packagegraph

import (
	"maps"
	"slices"
)

// Graph has, for each package, the names of those that it depends on.
type Graph map[string][]string

// Add adds an edge.
func (g Graph) Add(dependent, dependency string) {
	if !slices.Contains(g[dependent], dependency) {
		g[dependent] = append(g[dependent], dependency)
	}
}

// Cycle returns a shortest way from a package back to itself, with the package
// first and last; nil when there is none. The same graph always gives the same
// way, whatever the order of its edges.
func (g Graph) Cycle(from string) []string {
	before := map[string]string{}
	reached := []string{from}
	for len(reached) > 0 {
		name := reached[0]
		reached = reached[1:]
		for _, next := range slices.Sorted(slices.Values(g[name])) {
			if next == from {
				return pathTo(name, from, before)
			}
			if _, seen := before[next]; !seen {
				before[next] = name
				reached = append(reached, next)
			}
		}
	}
	return nil
}

func pathTo(last, from string, before map[string]string) []string {
	path := []string{from}
	for name := last; name != from; name = before[name] {
		path = append(path, name)
	}
	path = append(path, from)
	slices.Reverse(path)
	return path
}

// DependentsFirst returns the packages of the graph that have an entry, so that
// each comes before those that it depends on. Packages in a circle have no such
// order: one of them, the first by name, is then as good as another.
func (g Graph) DependentsFirst() []string {
	names := slices.Sorted(maps.Keys(g))
	order := make([]string, 0, len(names))
	visited := make(map[string]bool, len(names))
	// A package is appended after all that it depends on; the order is turned round
	// in the end. The stack is explicit: a chain may be as long as a namespace is
	// large.
	type step struct {
		name string
		left []string
	}
	for _, root := range names {
		if visited[root] {
			continue
		}
		visited[root] = true
		stack := []step{{root, g[root]}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.left) == 0 {
				order = append(order, top.name)
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.left[0]
			top.left = top.left[1:]
			if _, known := g[next]; known && !visited[next] {
				visited[next] = true
				stack = append(stack, step{next, g[next]})
			}
		}
	}
	slices.Reverse(order)
	return order
}
