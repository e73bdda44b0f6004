// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"fmt"
	"strings"
)

func unknownMessage(name string, known []string) string {
	if best, ok := closest(name, known); ok {
		return fmt.Sprintf("unknown field: did you mean %s?", best)
	}
	return "unknown field: the fields here are " + strings.Join(known, ", ")
}

// closest finds the known name that the user most likely meant. Names that are
// further away than a third of their length are no typing mistakes.
func closest(name string, known []string) (string, bool) {
	best, bestDistance := "", len(name)+1
	for _, candidate := range known {
		if d := distance(strings.ToLower(name), candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best, bestDistance <= max(1, len(best)/3)
}

// distance is the number of characters to insert, remove or replace to turn a
// into b. Long names are never typing mistakes, and comparing them is quadratic.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
