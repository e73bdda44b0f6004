// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Tenancy is where an environment puts its tenants. Several environments of a cluster
// must not put different tenants into one namespace: who may read the Secrets and
// reach the pods there is decided for the namespace as a whole.
//
// A namespace that a mapping names, as that of one tenant or as the fixed one of all,
// belongs to those. One that follows from a rule, which is a prefix, a suffix or the
// tenant's own name, belongs to the tenant that is there.
type Tenancy struct {
	// Environment is its name.
	Environment string
	// Configured tells that the environment has an EnvironmentConfig.
	Configured bool
	// Created is when that was created; zero without one.
	Created time.Time
	// Mapping has every default filled in. It is not to be changed.
	Mapping v1alpha1.NamespaceMapping
	// OwnNamespace is where the program itself runs.
	OwnNamespace string
}

// Tenancy is where the environment puts its tenants.
func (e Environment) Tenancy() Tenancy {
	return Tenancy{Environment: e.Name, Configured: e.Configured, Created: e.Created, Mapping: e.Spec.Namespaces, OwnNamespace: e.Defaults.OwnNamespace}
}

// Tenancies are where environments put their tenants.
func Tenancies(configurations []v1alpha1.EnvironmentConfig, defaults Defaults) []Tenancy {
	tenancies := make([]Tenancy, 0, len(configurations))
	for i := range configurations {
		tenancies = append(tenancies, tenancyOf(&configurations[i], defaults))
	}
	return tenancies
}

// Unconfigured is where environments without an EnvironmentConfig put their tenants.
func Unconfigured(defaults Defaults) Tenancy {
	return Tenancy{Mapping: completeMapping(v1alpha1.NamespaceMapping{}, defaults), OwnNamespace: defaults.OwnNamespace}
}

func tenancyOf(configuration *v1alpha1.EnvironmentConfig, defaults Defaults) Tenancy {
	return Tenancy{
		Environment: configuration.Name, Configured: true, Created: configuration.CreationTimestamp.Time,
		Mapping: completeMapping(configuration.Spec.Namespaces, defaults), OwnNamespace: defaults.OwnNamespace,
	}
}

// before tells which of two environments has a namespace that both name: the older
// one, of two of the same second that with the first name. One without a
// configuration comes last.
func (t Tenancy) before(other Tenancy) bool { return compare(t, other) < 0 }

func compare(a, b Tenancy) int {
	switch {
	case a.Configured != b.Configured && a.Configured:
		return -1
	case a.Configured != b.Configured:
		return 1
	}
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Environment, b.Environment))
}

// owner is for whom an environment names a namespace.
type owner struct {
	// tenant that has the namespace alone, unless it is everybody's.
	tenant   string
	everyone bool
}

// String is part of a sentence.
func (o owner) String() string {
	if o.everyone {
		return "all tenants"
	}
	return fmt.Sprintf("tenant %q", o.tenant)
}

// owner tells for whom the mapping names a namespace; false where it does not.
func (t Tenancy) owner(namespace string) (owner, bool) {
	found, named := t.owners(map[string]owner{namespace: {}})[namespace]
	return found, named
}

// owners tells for whom the mapping names namespaces: those that among has, or all
// where among is nil.
func (t Tenancy) owners(among map[string]owner) map[string]owner {
	wanted := func(namespace string) bool {
		_, has := among[namespace]
		return has || among == nil
	}
	owners := map[string]owner{}
	for tenant, namespace := range t.Mapping.Tenants {
		if !wanted(namespace) {
			continue
		}
		if before, named := owners[namespace]; !named || tenant < before.tenant {
			owners[namespace] = owner{tenant: tenant}
		}
	}
	if fixed := t.Mapping.Fixed; fixed != "" && !t.Mapping.OnlyTenants && wanted(fixed) {
		owners[fixed] = owner{everyone: true}
	}
	return owners
}

// Conflict is a namespace that two environments name for different tenants. That
// both let all their tenants into it is none.
type Conflict struct {
	// Namespace that both name.
	Namespace string
	// Path of the entry in the EnvironmentConfig.
	Path *field.Path
	// Other environment that names it.
	Other string
	// Loses tells that the other environment has the namespace, since it is older.
	Loses bool

	environment  string
	mine, theirs owner
}

// String names both configurations, the namespace and the remedy.
func (c Conflict) String() string {
	first, second := c.environment, c.Other
	for1, for2 := c.mine, c.theirs
	if c.Loses {
		first, second, for1, for2 = second, first, for2, for1
	}
	return fmt.Sprintf("namespace %q is that of %s in EnvironmentConfig %q, which is older, and of %s in EnvironmentConfig %q: name another one in one of them",
		c.Namespace, for1, first, for2, second)
}

// Conflicts are the namespaces that the environment names and others name for
// somebody else, ordered by namespace and by age of the other.
func (t Tenancy) Conflicts(others []Tenancy) []Conflict {
	named := slices.Collect(maps.Values(t.Mapping.Tenants))
	if t.Mapping.Fixed != "" {
		named = append(named, t.Mapping.Fixed)
	}
	slices.Sort(named)
	others = slices.SortedFunc(slices.Values(others), compare)
	own, theirOwn := t.owners(nil), make([]map[string]owner, len(others))
	for i, other := range others {
		theirOwn[i] = other.owners(own)
	}
	var conflicts []Conflict
	for _, namespace := range slices.Compact(named) {
		mine, ok := own[namespace]
		if !ok {
			continue
		}
		for i, other := range others {
			theirs, named := theirOwn[i][namespace]
			if !named || mine == theirs || other.Environment == t.Environment {
				continue
			}
			path := field.NewPath("spec", "namespaces", "fixed")
			if !mine.everyone {
				path = field.NewPath("spec", "namespaces", "tenants").Key(mine.tenant)
			}
			conflicts = append(conflicts, Conflict{
				Namespace: namespace, Path: path, Other: other.Environment, Loses: other.before(t),
				environment: t.Environment, mine: mine, theirs: theirs,
			})
		}
	}
	return conflicts
}

// ContestedError tells that the namespace that an environment has for a tenant is
// another tenant's.
type ContestedError struct {
	// Environment and Tenant of the record.
	Environment, Tenant string
	// Namespace that the environment has for the tenant.
	Namespace string
	// Reason says whose it is.
	Reason string
}

// Error names the namespace, whose it is and the remedy.
func (e *ContestedError) Error() string {
	return fmt.Sprintf("namespace %q, which environment %q has for tenant %q, %s: map the tenant to another namespace in EnvironmentConfig %q",
		e.Namespace, e.Environment, e.Tenant, e.Reason, e.Environment)
}

// Contested returns nil for a tenant that may be in the namespace that the
// environment has for it, as far as mappings name namespaces, and else a
// *ContestedError. An environment that puts the tenant there by a rule gives way to
// all that name the namespace for others, one that names it to those before it.
func (t Tenancy) Contested(tenant string, others []Tenancy) error {
	namespace, err := t.NamespaceOf(tenant)
	if err != nil {
		// There is nothing to be contested.
		return nil //nolint:nilerr // where a record belongs is told by others
	}
	mine, byName := t.owner(namespace)
	var winner *Tenancy
	var whose owner
	for i := range others {
		other := &others[i]
		theirs, named := other.owner(namespace)
		switch {
		case !named, other.Environment == t.Environment, theirs == owner{tenant: tenant}:
		case byName && (mine == theirs || t.before(*other)):
		case winner != nil && winner.before(*other):
		default:
			winner, whose = other, theirs
		}
	}
	if winner == nil {
		return nil
	}
	return &ContestedError{
		Environment: t.Environment, Tenant: tenant, Namespace: namespace,
		Reason: fmt.Sprintf("is that of %s in EnvironmentConfig %q", whose, winner.Environment),
	}
}

// Rivals are the other tenants that some environment would put, by its rule, into the
// namespace into which this one puts a tenant by its own: as prefix "prod-" of one
// environment does to the tenant bank, and no prefix at all in another to the tenant
// prod-bank. Tenants choose their names, so this is not left to luck. Which of them
// are there, records tell.
func (t Tenancy) Rivals(tenant string, others []Tenancy) []string {
	namespace, err := t.NamespaceOf(tenant)
	if err != nil {
		return nil
	}
	if _, byName := t.owner(namespace); byName {
		return nil
	}
	whole := t.Mapping.Prefix + tenant + t.Mapping.Suffix
	var rivals []string
	for _, other := range others {
		if other.Environment == t.Environment || other.Mapping.Fixed != "" || other.Mapping.OnlyTenants {
			continue
		}
		// A name that was cut is that of whatever makes the same whole.
		for _, made := range []string{namespace, whole} {
			rival, ok := strings.CutPrefix(made, other.Mapping.Prefix)
			if ok {
				rival, ok = strings.CutSuffix(rival, other.Mapping.Suffix)
			}
			if !ok || rival == tenant || len(validation.IsDNS1123Label(rival)) > 0 {
				continue
			}
			if at, problem := other.mapped(rival); problem == "" && at == namespace {
				rivals = append(rivals, rival)
			}
		}
	}
	slices.Sort(rivals)
	return slices.Compact(rivals)
}
