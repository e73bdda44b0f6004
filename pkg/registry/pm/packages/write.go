// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/apis/pm"
)

// settleWithin bounds what follows a write that has ended. The client waits for
// it, so that what it does next finds the lists true.
const settleWithin = 10 * time.Second

// write is one write of a package. The checks run right before the package is
// stored, perhaps several times: when the stored package changed meanwhile, or
// when a generated name was taken. Each time they reserve what the package is
// about to need; end settles all of it.
type write struct {
	edges  *edges
	dryRun bool
	// id of the write's reservations.
	id string
	// reserved and dropped are the edges that were reserved and that the package no
	// longer has.
	reserved, dropped map[edge]struct{}
	// tried is true when the last check passed, and the package may therefore have
	// been stored.
	tried bool
}

// edge is a dependency between two packages of a namespace.
type edge struct{ namespace, dependent, dependency string }

func (e *edges) begin(dryRun bool) *write {
	return &write{
		edges: e, dryRun: dryRun, id: string(uuid.NewUUID()),
		reserved: map[edge]struct{}{}, dropped: map[edge]struct{}{},
	}
}

// onCreate checks a new package after everything else was checked.
func (w *write) onCreate(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		w.tried = false
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		return w.try(w.announce(ctx, obj.(*pm.Package), nil))
	}
}

// onUpdate checks a changed package after everything else was checked.
func (w *write) onUpdate(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		w.tried = false
		if validate != nil {
			if err := validate(ctx, obj, old); err != nil {
				return err
			}
		}
		updated, stored := obj.(*pm.Package), old.(*pm.Package)
		if err := w.edges.keepPromises(ctx, updated, stored); err != nil {
			return err
		}
		return w.try(w.announce(ctx, updated, stored))
	}
}

func (w *write) try(err error) error {
	w.tried = err == nil
	return err
}

// announce reserves what a package is about to need and did not need before, and
// refuses what cannot be had and what would close a cycle. old is nil for a new
// package. Nothing can depend on a package that does not exist, so a new one closes
// no cycle.
func (w *write) announce(ctx context.Context, p, old *pm.Package) error {
	needs, had := needsOf(p), needsOf(old)
	var errs field.ErrorList
	closes := false
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		before, found := had[name]
		if found && before.equal(needs[name]) {
			continue
		}
		problems, err := w.reserve(ctx, p, name, needs[name])
		if err != nil {
			return err
		}
		errs = append(errs, problems...)
		closes = closes || !found && old != nil
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(pm.Kind("Package"), p.Name, errs)
	}
	for name := range had {
		if _, kept := needs[name]; !kept {
			w.dropped[edge{p.Namespace, p.Name, name}] = struct{}{}
		}
	}
	if !closes {
		return nil
	}
	path, pending, err := w.edges.cycle(ctx, p)
	if err != nil || path == nil {
		return err
	}
	return cycleError(p, path, pending)
}

func (w *write) reserve(ctx context.Context, p *pm.Package, name string, needed need) (field.ErrorList, error) {
	if w.dryRun {
		target, err := w.edges.fresh(ctx, p.Namespace, name)
		if err != nil {
			return nil, err
		}
		return unmet(p, name, needed, target), nil
	}
	// Noted before it is done: a request that is cut off may still be carried out.
	w.reserved[edge{p.Namespace, p.Name, name}] = struct{}{}
	return w.edges.reserve(ctx, p, name, needed, w.id)
}

func cycleError(p *pm.Package, path []string, pending bool) error {
	circle := strings.Join(path, " -> ")
	if pending {
		return apierrors.NewConflict(pm.Resource("packages"), p.Name,
			fmt.Errorf("with a change that is under way the dependencies would close the cycle %s: try again", circle))
	}
	index := slices.IndexFunc(p.Spec.Dependencies, func(d pm.PackageDependency) bool { return d.Name == path[1] })
	return apierrors.NewInvalid(pm.Kind("Package"), p.Name, field.ErrorList{field.Invalid(
		field.NewPath("spec", "dependencies").Index(index).Child("name"), path[1],
		fmt.Sprintf("closes the cycle %s: remove one of these dependencies", circle))})
}

// end settles the reservations of a write that ended with the given error.
func (w *write) end(ctx context.Context, outcome error) {
	unsettled := w.reserved
	switch {
	case outcome == nil:
		maps.Copy(unsettled, w.dropped)
	case w.tried && !refused(outcome):
		// Nobody knows whether the package was stored, or still will be. The
		// reservations hold until it can be known; then they are repaired.
		return
	}
	if w.dryRun || len(unsettled) == 0 {
		return
	}
	// The client may be gone already, which is no reason to leave things behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	for changed := range unsettled {
		target := types.NamespacedName{Namespace: changed.namespace, Name: changed.dependency}
		if err := w.edges.settle(ctx, target, []string{changed.dependent}, w.id); err != nil {
			klog.FromContext(ctx).Error(err, "The dependents of a package are not settled, which is repaired later",
				"package", klog.KRef(target.Namespace, target.Name), "dependent", changed.dependent)
		}
	}
}

// refused is true for an error which says that nothing was stored.
func refused(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError &&
		code != http.StatusRequestTimeout && code != http.StatusTooManyRequests
}
