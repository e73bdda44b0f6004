// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package names

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestWorkload(t *testing.T) {
	cases := map[string]struct {
		id, key string
		want    string
	}{
		"short names stay readable":                 {id: "shop-cart-dev", key: "add", want: "shop-cart-dev-add-"},
		"dots and capitals become hyphens":          {id: "shop", key: "Record.echo", want: "shop-record-echo-"},
		"a name never starts with a digit":          {id: "1shop", key: "add", want: "d1shop-add-"},
		"text without a usable character is a hash": {id: "shop", key: "日本", want: "shop-"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Workload(tc.id, tc.key)
			if !strings.HasPrefix(got, tc.want) || len(got) != len(tc.want)+hashLength {
				t.Errorf("Workload(%q, %q) = %q, want %q and a hash", tc.id, tc.key, got, tc.want)
			}
		})
	}
}

func TestWorkloadIsStable(t *testing.T) {
	// A changed name would orphan every running workload on an upgrade.
	if got, want := Workload("shop-cart-dev", "add"), "shop-cart-dev-add-lotta5iwzy"; got != want {
		t.Errorf("Workload = %q, want %q", got, want)
	}
}

func TestWorkloadIsValidAndDistinct(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9.-]{0,220}`), rapid.StringMatching(`a{190,200}[ab.-]{0,5}`))
	rapid.Check(t, func(t *rapid.T) {
		id1, key1 := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`).Draw(t, "id1"), text.Draw(t, "key1")
		id2, key2 := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`).Draw(t, "id2"), text.Draw(t, "key2")
		first, second := Workload(id1, key1), Workload(id2, key2)
		if problems := validation.IsDNS1035Label(first); len(problems) > 0 {
			t.Fatalf("Workload(%q, %q) = %q: %v", id1, key1, first, problems)
		}
		if len(first) > maxWorkload {
			t.Fatalf("Workload(%q, %q) = %q has %d characters", id1, key1, first, len(first))
		}
		if (id1 != id2 || key1 != key2) && first == second {
			t.Fatalf("(%q, %q) and (%q, %q) share the name %q", id1, key1, id2, key2, first)
		}
	})
}

func TestWorkloadTellsTheBorderOfIDAndKey(t *testing.T) {
	if Workload("a", "b-c") == Workload("a-b", "c") {
		t.Error("two ids share a name")
	}
}

func TestLabelValueIsValidAndDistinct(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9._-]{0,220}`))
	rapid.Check(t, func(t *rapid.T) {
		a := text.Draw(t, "a")
		b := rapid.OneOf(text, rapid.Just(LabelValue(a))).Draw(t, "b")
		if problems := validation.IsValidLabelValue(LabelValue(a)); len(problems) > 0 {
			t.Fatalf("LabelValue(%q) = %q: %v", a, LabelValue(a), problems)
		}
		if a != b && LabelValue(a) == LabelValue(b) {
			t.Fatalf("%q and %q share %q", a, b, LabelValue(a))
		}
	})
}

func TestLabelValueKeepsValidText(t *testing.T) {
	if got := LabelValue("Record.echo_1"); got != "Record.echo_1" {
		t.Errorf("LabelValue changed a valid value to %q", got)
	}
}
