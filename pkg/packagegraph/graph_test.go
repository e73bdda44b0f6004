// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packagegraph_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"oaas.io/oaas/pkg/packagegraph"
)

// graph reads edges such as "a>b a>c d".
func graph(edges string) packagegraph.Graph {
	g := packagegraph.Graph{}
	for edge := range strings.FieldsSeq(edges) {
		dependent, dependency, found := strings.Cut(edge, ">")
		if found {
			g.Add(dependent, dependency)
		} else {
			g[dependent] = nil
		}
	}
	return g
}

func TestCycle(t *testing.T) {
	for sentence, test := range map[string]struct{ edges, from, want string }{
		"nothing depends on anything":                 {"a", "a", ""},
		"a chain has no circle":                       {"a>b b>c", "a", ""},
		"two ways to one package are no circle":       {"a>b a>c b>d c>d", "a", ""},
		"a package that depends on itself":            {"a>a", "a", "a -> a"},
		"two packages":                                {"a>b b>a", "a", "a -> b -> a"},
		"the path begins with the package asked for":  {"a>b b>c c>a", "b", "b -> c -> a -> b"},
		"the shortest path is told":                   {"a>b b>c c>a b>a", "a", "a -> b -> a"},
		"of equals the first by name is told":         {"a>c a>b b>a c>a", "a", "a -> b -> a"},
		"a circle of others is not the package's own": {"a>b b>c c>b", "a", ""},
		"a package outside of the graph":              {"a>b b>a", "z", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := strings.Join(graph(test.edges).Cycle(test.from), " -> "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDependentsFirst(t *testing.T) {
	for sentence, test := range map[string]struct{ edges, want string }{
		"packages without dependencies":                {"b a c", "c b a"},
		"a chain, whatever the names":                  {"b>c c>a a", "b c a"},
		"a package that two need comes after both":     {"a>c b>c c", "b a c"},
		"packages that are not listed are not ordered": {"a>gone", "a"},
		"a circle is cut somewhere":                    {"a>b b>a c>a", "c a b"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := strings.Join(graph(test.edges).DependentsFirst(), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDependentsFirstHoldsForAnyGraphWithoutCircles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		g := packagegraph.Graph{}
		names := random.Perm(30)
		for i, from := range names {
			g[fmt.Sprint(from)] = nil
			for _, to := range names[i+1:] {
				if random.IntN(8) == 0 {
					g.Add(fmt.Sprint(from), fmt.Sprint(to))
				}
			}
		}
		order := g.DependentsFirst()
		if len(order) != len(g) {
			t.Fatalf("round %d: %d of %d packages are ordered", round, len(order), len(g))
		}
		for dependent, dependencies := range g {
			if path := g.Cycle(dependent); path != nil {
				t.Fatalf("round %d: %v is a circle in a graph without one", round, path)
			}
			for _, dependency := range dependencies {
				if slices.Index(order, dependent) > slices.Index(order, dependency) {
					t.Fatalf("round %d: %s comes after %s, which it depends on: %v", round, dependent, dependency, order)
				}
			}
		}
	}
}

func TestAChainAsLongAsANamespaceIsLarge(t *testing.T) {
	const length = 100_000
	g := packagegraph.Graph{}
	for i := range length {
		g.Add(fmt.Sprint(i), fmt.Sprint(i+1))
	}
	g.Add(fmt.Sprint(length), "0")
	if path := g.Cycle("0"); len(path) != length+2 {
		t.Errorf("the circle has %d steps, want %d", len(path), length+2)
	}
	if order := g.DependentsFirst(); len(order) != length+1 {
		t.Errorf("%d packages are ordered, want %d", len(order), length+1)
	}
}
