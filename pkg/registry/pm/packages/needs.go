// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/dependency"
)

// need is what a package needs of another one.
type need struct {
	// versions is the range that it accepts; empty for any.
	versions string
	// functions are the keys that it binds, in order, each once.
	functions []string
}

func (n need) equal(other need) bool {
	return n.versions == other.versions && slices.Equal(n.functions, other.functions)
}

// needsOf are what a package needs, by the names of the packages; none for a
// package that does not exist.
func needsOf(p *pm.Package) map[string]need {
	if p == nil || len(p.Spec.Dependencies) == 0 {
		return nil
	}
	bound := make(map[string]map[string]struct{}, len(p.Spec.Dependencies))
	for _, dependency := range p.Spec.Dependencies {
		bound[dependency.Name] = map[string]struct{}{}
	}
	for binding := range boundElsewhere(p) {
		if functions, declared := bound[binding.pkg]; declared {
			functions[binding.function] = struct{}{}
		}
	}
	needs := make(map[string]need, len(p.Spec.Dependencies))
	for _, dependency := range p.Spec.Dependencies {
		needs[dependency.Name] = need{versions: dependency.Version, functions: slices.Sorted(maps.Keys(bound[dependency.Name]))}
	}
	return needs
}

// foreignBinding binds a function of another package.
type foreignBinding struct {
	path          *field.Path
	key           string
	pkg, function string
}

// boundElsewhere goes through the bindings of a package that name a function of
// another one. A function of the package itself wins over one of a dependency.
func boundElsewhere(p *pm.Package) func(yield func(foreignBinding) bool) {
	return func(yield func(foreignBinding) bool) {
		own := functionKeys(p)
		for i := range p.Spec.Classes {
			bindings := p.Spec.Classes[i].FunctionBindings
			for j := range bindings {
				key := bindings[j].FunctionKey
				if _, found := own[key]; found {
					continue
				}
				name, function, ok := dependency.SplitFunctionKey(key)
				if !ok {
					continue
				}
				path := field.NewPath("spec", "classes").Index(i).Child("functionBindings").Index(j).Child("functionKey")
				if !yield(foreignBinding{path: path, key: key, pkg: name, function: function}) {
					return
				}
			}
		}
	}
}

func functionKeys(p *pm.Package) map[string]struct{} {
	keys := make(map[string]struct{}, len(p.Spec.Functions))
	for i := range p.Spec.Functions {
		keys[p.Spec.Functions[i].Key] = struct{}{}
	}
	return keys
}

// unmet returns why a package cannot have what it needs of another one, which is
// nil when it does not exist.
func unmet(p *pm.Package, name string, needed need, target *pm.Package) field.ErrorList {
	index := slices.IndexFunc(p.Spec.Dependencies, func(d pm.PackageDependency) bool { return d.Name == name })
	path := field.NewPath("spec", "dependencies").Index(index)
	if target == nil {
		return field.ErrorList{notFound(path.Child("name"), name,
			fmt.Sprintf("no such package in namespace %q: create it first or remove the dependency", p.Namespace))}
	}
	if target.DeletionTimestamp != nil {
		return field.ErrorList{field.Invalid(path.Child("name"), name, "the package is being deleted: remove the dependency, or wait and create the package again")}
	}
	var errs field.ErrorList
	if !dependency.Accepts(needed.versions, target.Spec.Version) {
		has := "has version " + target.Spec.Version
		if target.Spec.Version == "" {
			has = "has no version, which fits an empty range only"
		}
		errs = append(errs, field.Invalid(path.Child("version"), needed.versions,
			fmt.Sprintf("package %q %s: change the range or publish a version within it", name, has)))
	}
	known := functionKeys(target)
	if slices.ContainsFunc(needed.functions, func(key string) bool { _, found := known[key]; return !found }) {
		for binding := range boundElsewhere(p) {
			if _, found := known[binding.function]; binding.pkg == name && !found {
				errs = append(errs, notFound(binding.path, binding.key,
					fmt.Sprintf("package %q defines no function %q: add it there or remove the binding", name, binding.function)))
			}
		}
	}
	return errs
}

func notFound(path *field.Path, value, detail string) *field.Error {
	err := field.NotFound(path, value)
	err.Detail = detail
	return err
}

// takenAway is what a change of a package takes away from one that depends on it.
type takenAway struct {
	// version is true when the version leaves the range.
	version bool
	// functions are the bound functions that are no longer there.
	functions []string
}

func (t takenAway) nothing() bool { return !t.version && len(t.functions) == 0 }

// takesAway compares a package before and after a change with what another one
// needs of it. What did not fit before is not the change's doing.
func (n need) takesAway(updated, old *pm.Package, removed map[string]struct{}) takenAway {
	taken := takenAway{
		version: updated.Spec.Version != old.Spec.Version && !dependency.Accepts(n.versions, updated.Spec.Version),
	}
	for _, function := range n.functions {
		if _, gone := removed[function]; gone {
			taken.functions = append(taken.functions, function)
		}
	}
	return taken
}

// removedFunctions are the keys of the functions that a change removes.
func removedFunctions(updated, old *pm.Package) map[string]struct{} {
	removed := functionKeys(old)
	for i := range updated.Spec.Functions {
		delete(removed, updated.Spec.Functions[i].Key)
	}
	return removed
}
