// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"slices"
	"testing"
	"time"
)

func TestTheSecretCanBeReadBack(t *testing.T) {
	now := time.Now()
	var list authorities
	for i := range 3 {
		made, err := newAuthority("server", now.Add(time.Duration(i)*time.Hour), Lifetimes{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			made.signer = nil
		}
		list = list.with(made)
	}
	if !slices.IsSortedFunc(list, func(a, b authority) int { return b.cert.NotBefore.Compare(a.cert.NotBefore) }) {
		t.Error("the newest is not the first")
	}
	if got := parseAuthorities(list.encode()); !got.equal(list) {
		t.Errorf("got %d authorities, want the same %d", len(got), len(list))
	}
}
