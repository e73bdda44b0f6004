// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package polltest lets tests wait for what happens elsewhere.
package polltest

import (
	"testing"
	"time"
)

const (
	// patience is long for a machine that does much else.
	patience = time.Minute
	pause    = 5 * time.Millisecond
)

// Until returns once the condition holds, and ends the test if it does not within
// a minute. what says in words what was waited for.
func Until(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(pause)
	}
}
