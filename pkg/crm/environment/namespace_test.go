// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func mapped(mapping v1alpha1.NamespaceMapping) Environment {
	return Resolve("prod", configure(func(s *v1alpha1.EnvironmentConfigSpec) { s.Namespaces = mapping }), Defaults{})
}

func TestNamespaceOf(t *testing.T) {
	long := strings.Repeat("a", validation.DNS1123LabelMaxLength)
	cases := map[string]struct {
		environment Environment
		tenant      string
		want        string
		problem     string
	}{
		"without a mapping a tenant keeps its namespace":       {environment: Resolve("dev", nil, Defaults{}), tenant: "shop", want: "shop"},
		"the longest name is kept where nothing is added":      {environment: Resolve("dev", nil, Defaults{}), tenant: long, want: long},
		"the settings' namespace takes everything":             {environment: Resolve("dev", nil, Defaults{Namespace: "oaas"}), tenant: "shop", want: "oaas"},
		"the settings' namespace takes a unit without one":     {environment: Resolve("dev", nil, Defaults{Namespace: "oaas"}), want: "oaas"},
		"a prefix and a suffix are added":                      {environment: mapped(v1alpha1.NamespaceMapping{Prefix: "p-", Suffix: "-s"}), tenant: "shop", want: "p-shop-s"},
		"an entry of its own wins":                             {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "store"}, Fixed: "all"}), tenant: "shop", want: "store"},
		"the others go where the rest of the mapping says":     {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "store"}, Fixed: "all"}), tenant: "bank", want: "all"},
		"a tenant without an entry is refused where only they": {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "store"}, OnlyTenants: true}), tenant: "bank", problem: "onlyTenants"},
		"another's namespace is refused":                       {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "bank"}}), tenant: "bank", problem: `gives to "shop"`},
		"another's namespace is refused with a prefix":         {environment: mapped(v1alpha1.NamespaceMapping{Prefix: "p-", Tenants: map[string]string{"shop": "p-bank"}}), tenant: "bank", problem: `gives to "shop"`},
		"a namespace that two entries name is refused":         {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "x", "bank": "x"}}), tenant: "bank", problem: `"bank" and "shop"`},
		"a unit without a namespace is refused":                {environment: Resolve("dev", nil, Defaults{}), problem: "names no namespace"},
		"a prefix alone is no namespace":                       {environment: mapped(v1alpha1.NamespaceMapping{Prefix: "p"}), problem: "names no namespace"},
		"a tenant that is no label is refused":                 {environment: mapped(v1alpha1.NamespaceMapping{Prefix: "p-"}), tenant: "Shop", problem: "no DNS label"},
		"a namespace of Kubernetes is refused":                 {environment: Resolve("dev", nil, Defaults{}), tenant: "kube-system", problem: "Kubernetes itself"},
		"the program's own namespace is refused to a tenant of its name": {
			environment: Resolve("dev", nil, Defaults{OwnNamespace: "oaas-system"}), tenant: "oaas-system", problem: "Class Runtime Manager's own",
		},
		"the program's own namespace is refused to a tenant that a prefix leads there": {
			environment: Resolve("dev", &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{
				Namespaces: v1alpha1.NamespaceMapping{Prefix: "oaas-"},
			}}, Defaults{OwnNamespace: "oaas-system"}), tenant: "system", problem: "Class Runtime Manager's own",
		},
		"the program's own namespace is given to whom an entry names": {
			environment: Resolve("dev", &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{
				Namespaces: v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "oaas-system"}},
			}}, Defaults{OwnNamespace: "oaas-system"}), tenant: "shop", want: "oaas-system",
		},
		"a namespace of Kubernetes is refused in an entry":     {environment: mapped(v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "kube-public"}}), tenant: "shop", problem: "Kubernetes itself"},
		"a namespace of Kubernetes is refused in the settings": {environment: Resolve("dev", nil, Defaults{Namespace: "kube-system"}), tenant: "shop", problem: "Kubernetes itself"},
		"a namespace of Kubernetes is refused when put together": {
			environment: mapped(v1alpha1.NamespaceMapping{Prefix: "kube"}), tenant: "kube-system", want: "kubekube-system",
		},
		"a namespace of Kubernetes cannot be spelled with a prefix": {
			environment: mapped(v1alpha1.NamespaceMapping{Prefix: "k"}), tenant: "ube-system", problem: "Kubernetes itself",
		},
		"a tenant of Kubernetes' name may run elsewhere": {environment: mapped(v1alpha1.NamespaceMapping{Prefix: "p-"}), tenant: "kube-system", want: "p-kube-system"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.environment.NamespaceOf(tc.tenant)
			if tc.problem == "" {
				if err != nil || got != tc.want {
					t.Fatalf("namespace %q, error %v, want %q", got, err, tc.want)
				}
				return
			}
			var refused *NamespaceError
			if !errors.As(err, &refused) || !strings.Contains(refused.Problem, tc.problem) {
				t.Fatalf("namespace %q, error %v, want one that says %q", got, err, tc.problem)
			}
			if refused.Tenant != tc.tenant || got != "" {
				t.Errorf("namespace %q, error for tenant %q", got, refused.Tenant)
			}
		})
	}
}

func TestNamespaceIsStable(t *testing.T) {
	// A changed name would leave every record of the tenant behind.
	e := mapped(v1alpha1.NamespaceMapping{Prefix: "production-", Suffix: "-eu"})
	const want = "production-aaaaaaaaaaaaaaaaaaaaaaaaaaa-bp6234vmzhzetxpknuhzanqi"
	if got, err := e.NamespaceOf(strings.Repeat("a", 60)); err != nil || got != want {
		t.Errorf("namespace %q, error %v, want %q", got, err, want)
	}
}

// Somebody who names a tenant as another's name was cut does not get its namespace.
func TestACutNameCannotBeChosen(t *testing.T) {
	e := mapped(v1alpha1.NamespaceMapping{Prefix: "p-"})
	cut, err := e.NamespaceOf(strings.Repeat("a", validation.DNS1123LabelMaxLength))
	if err != nil {
		t.Fatal(err)
	}
	if chosen, err := e.NamespaceOf(strings.TrimPrefix(cut, "p-")); err != nil || chosen == cut {
		t.Errorf("namespace %q, error %v, for the tenant that is named like it", chosen, err)
	}
}

// Two tenants of an environment never share a namespace, however their names were
// chosen, and none gets a namespace of Kubernetes.
func TestTenantsNeverShare(t *testing.T) {
	tenant := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`),
		rapid.StringMatching(`a{36,40}[ab-]{0,5}[ab]`),
		rapid.StringMatching(`(kube-)?[ab]{1,2}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		mapping := v1alpha1.NamespaceMapping{
			Prefix:  rapid.StringMatching(`([ab][a-b-]{0,29})?`).Draw(t, "prefix"),
			Suffix:  rapid.StringMatching(`([a-b-]{0,29}[ab])?`).Draw(t, "suffix"),
			Tenants: rapid.MapOfN(tenant, tenant, 0, 4).Draw(t, "tenants"),
		}
		e := mapped(mapping)
		first, second := tenant.Draw(t, "first"), tenant.Draw(t, "second")
		at, err := e.NamespaceOf(first)
		if err != nil {
			return
		}
		if problems := validation.IsDNS1123Label(at); len(problems) > 0 || strings.HasPrefix(at, systemPrefix) {
			t.Fatalf("tenant %q runs in %q: %v", first, at, problems)
		}
		// The worst neighbour: one that is named as the first one's name was made.
		crafted := strings.TrimSuffix(strings.TrimPrefix(at, mapping.Prefix), mapping.Suffix)
		for _, other := range []string{second, at, crafted} {
			if there, err := e.NamespaceOf(other); err == nil && other != first && there == at {
				t.Fatalf("tenants %q and %q share %q", first, other, at)
			}
		}
	})
}
