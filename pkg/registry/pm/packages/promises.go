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
	"oaas.io/oaas/pkg/wording"
)

// keepPromises refuses a change that takes away what other packages need: a
// version within their range, or a function that they bind. stored is what the
// change will replace, so that a dependent that comes first to a package that had
// none makes the write fail and this look again.
func (w *write) keepPromises(ctx context.Context, updated, stored *pm.Package) error {
	removed := removedFunctions(updated, stored)
	if !dependedOn(stored) || len(removed) == 0 && updated.Spec.Version == stored.Spec.Version {
		return nil
	}
	dependents, drafts, err := w.takeFrom(ctx, stored)
	if err != nil {
		return err
	}
	broken := promises{functions: map[string][]string{}}
	for _, d := range dependents {
		if taken := d.takesAway(updated, stored, removed); !taken.nothing() {
			broken.add(d.name, d.need, taken)
		}
	}
	if errs := broken.errors(&updated.Spec); len(errs) > 0 {
		return invalid(updated, errs)
	}
	for i := range drafts {
		needed, needs := needsOf(&drafts[i])[stored.Name]
		if needs && !needed.takesAway(updated, stored, removed).nothing() {
			return apierrors.NewConflict(pm.Resource("packages"), stored.Name, fmt.Errorf(
				"a change of package %q that is under way needs what this one takes away: try again", drafts[i].Name))
		}
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
			"leaves the range that other packages accept: %s: change their spec.dependencies first", wording.Names(p.ranges))))
	}
	for _, function := range slices.Sorted(maps.Keys(p.functions)) {
		dependents := p.functions[function]
		errs = append(errs, field.Invalid(field.NewPath("spec", "functions"), function, fmt.Sprintf(
			"cannot be removed, other packages bind it: %s: change their bindings first", wording.Names(dependents))))
	}
	return errs
}
