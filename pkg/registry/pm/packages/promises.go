// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

// keepPromises refuses a change that takes away what other packages need: a
// version within their range, or a function that they bind. stored is what the
// change will replace, so an announcement that comes later makes the write fail and
// this look again.
func (e *edges) keepPromises(ctx context.Context, updated, stored *pm.Package) error {
	claims := announcedOn(stored, e.clock.Now())
	if len(claims) == 0 {
		return nil
	}
	removed := removedFunctions(updated, stored)
	if len(removed) == 0 && updated.Spec.Version == stored.Spec.Version {
		return nil
	}
	broken := promises{functions: map[string][]string{}}
	for _, name := range claims.names() {
		if !slices.ContainsFunc(claims[name], func(c claim) bool { return !c.takesAway(updated, stored, removed).nothing() }) {
			continue
		}
		// What was announced may be out of date; the dependent itself is not.
		dependent, err := e.fresh(ctx, stored.Namespace, name)
		if err != nil {
			return err
		}
		needed, needs := needsOf(dependent)[stored.Name]
		if taken := needed.takesAway(updated, stored, removed); needs && !taken.nothing() {
			broken.add(name, needed, taken)
			continue
		}
		pending := slices.ContainsFunc(claims[name], func(c claim) bool {
			return c.pending && !c.takesAway(updated, stored, removed).nothing()
		})
		if pending {
			return apierrors.NewConflict(pm.Resource("packages"), stored.Name, fmt.Errorf(
				"a change of package %q that is under way needs what this one takes away: try again", name))
		}
	}
	if errs := broken.errors(&updated.Spec); len(errs) > 0 {
		return apierrors.NewInvalid(pm.Kind("Package"), updated.Name, errs)
	}
	return nil
}

// promises are those that a change would break.
type promises struct {
	// ranges name the dependents whose range the version leaves, with the range.
	ranges []string
	// functions name the dependents that bind a function, by its key.
	functions map[string][]string
}

func (p *promises) add(dependent string, needed need, taken takenAway) {
	if taken.version {
		p.ranges = append(p.ranges, fmt.Sprintf("%s (%s)", dependent, needed.versions))
	}
	for _, function := range taken.functions {
		p.functions[function] = append(p.functions[function], dependent)
	}
}

func (p *promises) errors(spec *pm.PackageSpec) field.ErrorList {
	var errs field.ErrorList
	if len(p.ranges) > 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "version"), spec.Version, fmt.Sprintf(
			"leaves the range that other packages accept: %s: change their spec.dependencies first", enumerate(p.ranges))))
	}
	for _, function := range slices.Sorted(maps.Keys(p.functions)) {
		dependents := p.functions[function]
		errs = append(errs, field.Invalid(field.NewPath("spec", "functions"), function, fmt.Sprintf(
			"cannot be removed, other packages bind it: %s: change their bindings first", enumerate(dependents))))
	}
	return errs
}
