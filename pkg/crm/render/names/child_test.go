// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package names

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestChild(t *testing.T) {
	cases := map[string]struct {
		name, suffix, want string
	}{
		"what fits stays":              {"shop-cart", "-settings", "shop-cart-settings"},
		"what is too long is cut":      {strings.Repeat("a", 60), "-settings", strings.Repeat("a", 42) + "--"},
		"what is no label becomes one": {"Größe 1", "-settings", "gr-e-1--"},
		"what has no usable letter":    {"日本", "-settings", "d--"},
		"a suffix may have up to 50":   {"a", strings.Repeat("b", 50), "a" + strings.Repeat("b", 50)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Child(tc.name, tc.suffix)
			if err != nil || !strings.HasPrefix(got, tc.want) || !strings.HasSuffix(got, tc.suffix) {
				t.Errorf("Child = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	for _, suffix := range []string{"", "-", "A", "a_b", strings.Repeat("b", 51)} {
		if got, err := Child("a", suffix); err == nil {
			t.Errorf("suffix %q was accepted: %q", suffix, got)
		}
	}
}

func TestChildrenAreValidAndDistinct(t *testing.T) {
	text := rapid.OneOf(rapid.StringN(1, 200, -1), rapid.StringMatching(`[a-z0-9.-]{1,200}`), rapid.StringMatching(`a{190,200}[ab.-]{0,5}`))
	suffix := rapid.StringMatching(`-[a-z0-9]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		a, suffix := text.Draw(t, "a"), suffix.Draw(t, "suffix")
		first, err := Child(a, suffix)
		if err != nil {
			t.Fatal(err)
		}
		// A name that was chosen to equal what another becomes.
		b := rapid.OneOf(text, rapid.Just(strings.TrimSuffix(first, suffix))).Draw(t, "b")
		second, err := Child(b, suffix)
		if err != nil {
			t.Fatal(err)
		}
		grid := Grid(a, suffix)
		if len(grid) > maxWorkload || (a != b && grid == Grid(b, suffix)) {
			t.Fatalf("the grids of %q and %q are called %q and %q", a, b, grid, Grid(b, suffix))
		}
		for _, name := range []string{first, grid, Record(a), Record(a) + "-functions"} {
			if problems := validation.IsDNS1035Label(name); len(problems) > 0 {
				t.Fatalf("name %q: %v", name, problems)
			}
		}
		if len(Record(a)) > MaxRecord {
			t.Fatalf("Record(%q) = %q has %d characters", a, Record(a), len(Record(a)))
		}
		if a != b && (first == second || Record(a) == Record(b)) {
			t.Fatalf("%q and %q share %q or %q", a, b, first, Record(a))
		}
		if again, _ := Child(a, suffix); again != first {
			t.Fatalf("%q is called %q, and then %q", a, first, again)
		}
	})
}

func TestRecordIsStable(t *testing.T) {
	// A changed name would orphan what runs on an upgrade.
	if got, want := Record("shop-cart-dev"), "shop-cart-dev-fjlwrrudll"; got != want {
		t.Errorf("Record = %q, want %q", got, want)
	}
}
