// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// made is a configuration of an environment that was created at a second.
func made(name string, second int64, mapping v1alpha1.NamespaceMapping) v1alpha1.EnvironmentConfig {
	configuration := v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(second, 0)}}
	configuration.Spec.Namespaces = mapping
	return configuration
}

func tenants(pairs ...string) v1alpha1.NamespaceMapping {
	mapping := v1alpha1.NamespaceMapping{Tenants: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		mapping.Tenants[pairs[i]] = pairs[i+1]
	}
	return mapping
}

func TestConflicts(t *testing.T) {
	fixed := v1alpha1.NamespaceMapping{Fixed: "vault"}
	only := tenants("bank", "vault")
	only.OnlyTenants = true
	cases := map[string]struct {
		mine, other v1alpha1.NamespaceMapping
		// second is when the other one was made; ours at 5.
		second   int64
		defaults Defaults
		// want are the fields, with ! where the other one wins.
		want []string
	}{
		"environments of their own rules name nothing":       {},
		"two tenants in one namespace":                       {mine: tenants("shop", "vault"), other: tenants("bank", "vault"), second: 9, want: []string{"spec.namespaces.tenants[shop]"}},
		"the older one has it":                               {mine: tenants("shop", "vault"), other: tenants("bank", "vault"), second: 1, want: []string{"!spec.namespaces.tenants[shop]"}},
		"of the same age the first name has it":              {mine: tenants("shop", "vault"), other: tenants("bank", "vault"), second: 5, want: []string{"!spec.namespaces.tenants[shop]"}},
		"one tenant in one namespace":                        {mine: tenants("bank", "vault"), other: tenants("bank", "vault")},
		"a tenant's namespace and that of all":               {mine: tenants("bank", "vault"), other: fixed, want: []string{"!spec.namespaces.tenants[bank]"}},
		"that of all and a tenant's":                         {mine: fixed, other: tenants("bank", "vault"), second: 9, want: []string{"spec.namespaces.fixed"}},
		"both let all of their tenants in":                   {mine: fixed, other: fixed},
		"only a tenant gets in":                              {mine: only, other: tenants("bank", "vault")},
		"a tenant's namespace and that of the settings":      {mine: v1alpha1.NamespaceMapping{Prefix: "p-", Tenants: map[string]string{"bank": "oaas"}}, defaults: Defaults{Namespace: "oaas"}, want: []string{"!spec.namespaces.tenants[bank]"}},
		"the settings' namespace takes several environments": {defaults: Defaults{Namespace: "oaas"}},
		"several at once are in order": {
			mine: tenants("shop", "z", "mill", "a"), other: tenants("bank", "a", "farm", "z"),
			want: []string{"!spec.namespaces.tenants[mill]", "!spec.namespaces.tenants[shop]"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			all := Tenancies([]v1alpha1.EnvironmentConfig{made("prod", 5, tc.mine), made("edge", tc.second, tc.other)}, tc.defaults)
			var got []string
			for _, conflict := range all[0].Conflicts(all) {
				text := conflict.Path.String()
				if conflict.Loses {
					text = "!" + text
				}
				got = append(got, text)
				if said := conflict.String(); !strings.Contains(said, `"prod"`) || !strings.Contains(said, `"edge"`) || !strings.Contains(said, conflict.Namespace) {
					t.Errorf("%q does not name both and the namespace", said)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
			// Exactly one of the two has to give way.
			mine, theirs := all[0].Conflicts(all), all[1].Conflicts(all)
			if len(mine) != len(theirs) {
				t.Fatalf("%d conflicts on one side and %d on the other", len(mine), len(theirs))
			}
			for i := range mine {
				if mine[i].Loses == theirs[i].Loses || mine[i].String() != theirs[i].String() {
					t.Errorf("sides differ: %s, %s", mine[i], theirs[i])
				}
			}
		})
	}
}

func TestContested(t *testing.T) {
	cases := map[string]struct {
		configurations []v1alpha1.EnvironmentConfig
		tenant         string
		// whose is part of the refusal; empty for none.
		whose string
	}{
		"nobody else is there":                         {tenant: "shop"},
		"the same tenant of another environment":       {configurations: []v1alpha1.EnvironmentConfig{made("edge", 1, v1alpha1.NamespaceMapping{})}, tenant: "shop"},
		"a namespace that is named for another":        {configurations: []v1alpha1.EnvironmentConfig{made("edge", 9, tenants("bank", "shop"))}, tenant: "shop", whose: `tenant "bank" in EnvironmentConfig "edge"`},
		"a namespace that is named for all":            {configurations: []v1alpha1.EnvironmentConfig{made("edge", 9, v1alpha1.NamespaceMapping{Fixed: "shop"})}, tenant: "shop", whose: "all tenants"},
		"a namespace that is named for the tenant":     {configurations: []v1alpha1.EnvironmentConfig{made("edge", 1, tenants("shop", "shop"))}, tenant: "shop"},
		"two name it, and the other is younger":        {configurations: []v1alpha1.EnvironmentConfig{made("prod", 5, tenants("shop", "vault")), made("edge", 9, tenants("bank", "vault"))}, tenant: "shop"},
		"two name it, and the other is older":          {configurations: []v1alpha1.EnvironmentConfig{made("prod", 5, tenants("shop", "vault")), made("edge", 1, tenants("bank", "vault"))}, tenant: "shop", whose: `"bank"`},
		"all get in where all get in elsewhere":        {configurations: []v1alpha1.EnvironmentConfig{made("prod", 5, v1alpha1.NamespaceMapping{Fixed: "all"}), made("edge", 1, v1alpha1.NamespaceMapping{Fixed: "all"})}, tenant: "shop"},
		"all get in but where it is one tenant's":      {configurations: []v1alpha1.EnvironmentConfig{made("prod", 5, v1alpha1.NamespaceMapping{Fixed: "all"}), made("edge", 1, tenants("bank", "all"))}, tenant: "shop", whose: `"bank"`},
		"that tenant itself gets in":                   {configurations: []v1alpha1.EnvironmentConfig{made("prod", 5, v1alpha1.NamespaceMapping{Fixed: "all"}), made("edge", 1, tenants("bank", "all"))}, tenant: "bank"},
		"a tenant that has no namespace contests none": {configurations: []v1alpha1.EnvironmentConfig{made("edge", 1, tenants("bank", "kube-system"))}, tenant: "kube-system"},
		"of several others the oldest is told":         {configurations: []v1alpha1.EnvironmentConfig{made("x", 3, tenants("a", "shop")), made("y", 2, tenants("b", "shop")), made("z", 4, tenants("c", "shop"))}, tenant: "shop", whose: `"b" in EnvironmentConfig "y"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var own *v1alpha1.EnvironmentConfig
			for i := range tc.configurations {
				if tc.configurations[i].Name == "prod" {
					own = &tc.configurations[i]
				}
			}
			err := Resolve("prod", own, Defaults{}).Tenancy().Contested(tc.tenant, Tenancies(tc.configurations, Defaults{}))
			if tc.whose == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var contested *ContestedError
			if !errors.As(err, &contested) || !strings.Contains(err.Error(), tc.whose) || !strings.Contains(err.Error(), "prod") {
				t.Errorf("err = %v, want that it is of %s", err, tc.whose)
			}
		})
	}
}

func TestRivals(t *testing.T) {
	prefix := func(text string) v1alpha1.NamespaceMapping { return v1alpha1.NamespaceMapping{Prefix: text} }
	long := strings.Repeat("x", validation.DNS1123LabelMaxLength-len("b-"))
	cases := map[string]struct {
		mine, other v1alpha1.NamespaceMapping
		tenant      string
		want        []string
	}{
		"nobody by the same rule": {mine: v1alpha1.NamespaceMapping{}, other: v1alpha1.NamespaceMapping{}, tenant: "bank"},
		"a tenant that is named like the namespace, where there is no rule": {mine: prefix("a-"), other: prefix("a-"), tenant: "bank", want: []string{"a-bank"}},
		"and the tenant whose namespace that would be":                      {other: prefix("a-"), tenant: "a-bank", want: []string{"bank"}},
		"a prefix that begins with another":                                 {mine: prefix("a-"), other: prefix("a-b-"), tenant: "b-bank", want: []string{"a-b-bank", "bank"}},
		"a prefix and a suffix":                                             {mine: prefix("a-"), other: v1alpha1.NamespaceMapping{Suffix: "-s"}, tenant: "b-s", want: []string{"a-b", "a-b-s"}},
		"names that were cut":                                               {mine: prefix("a-"), other: prefix("a-b-"), tenant: "b-" + long, want: []string{"CUT", long}},
		"a tenant that has its own elsewhere":                               {mine: prefix("a-"), other: v1alpha1.NamespaceMapping{Prefix: "a-b-", Tenants: map[string]string{"bank": "vault"}}, tenant: "b-bank", want: []string{"a-b-bank"}},
		"a namespace that is named has none":                                {mine: tenants("bank", "a-bank"), other: prefix("a-"), tenant: "bank"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			all := append(Tenancies([]v1alpha1.EnvironmentConfig{made("prod", 5, tc.mine), made("edge", 1, tc.other)}, Defaults{}), Unconfigured(Defaults{}))
			for i := range tc.want {
				if tc.want[i] == "CUT" {
					tc.want[i], _ = all[0].NamespaceOf(tc.tenant)
				}
			}
			if diff := cmp.Diff(tc.want, all[0].Rivals(tc.tenant, all)); diff != "" {
				t.Errorf("rivals (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever mappings say, two tenants that share a namespace are seen: one of them is
// contested, or they are rivals, unless both environments let all tenants in.
func TestNobodySharesUnseen(t *testing.T) {
	word := rapid.StringMatching(`[ab](-?[ab]){0,2}`)
	mapping := rapid.Custom(func(t *rapid.T) v1alpha1.NamespaceMapping {
		m := v1alpha1.NamespaceMapping{Tenants: rapid.MapOfN(word, word, 0, 3).Draw(t, "tenants")}
		switch rapid.IntRange(0, 2).Draw(t, "rule") {
		case 0:
			m.Fixed = word.Draw(t, "fixed")
		case 1:
			m.Prefix = rapid.StringMatching(`([ab]-?){0,2}`).Draw(t, "prefix")
			m.Suffix = rapid.StringMatching(`(-?[ab]){0,2}`).Draw(t, "suffix")
		}
		return m
	})
	rapid.Check(t, func(t *rapid.T) {
		var configurations []v1alpha1.EnvironmentConfig
		for i := range 2 {
			configurations = append(configurations, made(fmt.Sprintf("e%d", i), rapid.Int64Range(1, 2).Draw(t, "created"), mapping.Draw(t, "mapping")))
		}
		all := Tenancies(configurations, Defaults{})
		first := word.Draw(t, "first")
		at, err := all[0].NamespaceOf(first)
		if err != nil {
			return
		}
		mapping := all[1].Mapping
		crafted := strings.TrimSuffix(strings.TrimPrefix(at, mapping.Prefix), mapping.Suffix)
		for _, second := range []string{word.Draw(t, "second"), at, crafted} {
			if other, err := all[1].NamespaceOf(second); err != nil || at != other || first == second {
				continue
			}
			mine, _ := all[0].owner(at)
			theirs, _ := all[1].owner(at)
			if mine.everyone && theirs.everyone {
				continue
			}
			contested := all[0].Contested(first, all) != nil || all[1].Contested(second, all) != nil
			rivals := slices.Contains(all[0].Rivals(first, all), second) && slices.Contains(all[1].Rivals(second, all), first)
			if contested == rivals {
				t.Fatalf("%q of e0 and %q of e1 share %q: contested %v, rivals %v, want one of them", first, second, at, contested, rivals)
			}
		}
	})
}

// TestConflictsOfManyTenants holds that conflicts are found in about as much time as it
// takes to read the configurations: they are looked for whenever a record changes.
func TestConflictsOfManyTenants(t *testing.T) {
	const environments, tenants = 400, 1024
	all := make([]Tenancy, 0, environments)
	for e := range environments {
		mapping := v1alpha1.NamespaceMapping{Tenants: make(map[string]string, tenants)}
		for i := range tenants {
			mapping.Tenants[fmt.Sprintf("tenant-%d", i)] = fmt.Sprintf("namespace-%d-%d", e, i)
		}
		all = append(all, Tenancy{Environment: fmt.Sprintf("environment-%d", e), Configured: true, Mapping: mapping})
	}
	all[1].Mapping.Tenants["tenant-0"] = "namespace-0-1"
	start := time.Now()
	conflicts := all[0].Conflicts(all)
	if len(conflicts) != 1 || conflicts[0].Namespace != "namespace-0-1" {
		t.Errorf("conflicts = %v, want one about namespace-0-1", conflicts)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
