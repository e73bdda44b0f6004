// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import "testing"

func TestRacesIn(t *testing.T) {
	const (
		line = "I0101 00:00:00.000000       1 serve.go:1] Serving\n"
		rule = "==================\n"
		one  = rule + "WARNING: DATA RACE\nWrite at 0x1 by goroutine 1:\n  main.f()\n" + rule
		two  = rule + "WARNING: DATA RACE\nRead at 0x2 by goroutine 2:\n  main.g()\n" + rule
	)
	for sentence, test := range map[string]struct {
		log   string
		count int
		first string
	}{
		"a log without races has none":                   {log: line + line},
		"an empty log has none":                          {},
		"one among lines is cut out":                     {log: line + one + line, count: 1, first: "Write at 0x1 by goroutine 1:\n  main.f()"},
		"the first of two is told":                       {log: one + line + two, count: 2, first: "Write at 0x1 by goroutine 1:\n  main.f()"},
		"one that the end of its program cut off is one": {log: rule + "WARNING: DATA RACE\nWrite at", count: 1, first: "Write at"},
	} {
		t.Run(sentence, func(t *testing.T) {
			count, first := racesIn([]byte(test.log))
			if count != test.count || string(first) != test.first {
				t.Errorf("got %d, %q, want %d, %q", count, first, test.count, test.first)
			}
		})
	}
}
