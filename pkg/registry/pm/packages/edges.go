// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/packagegraph"
)

// edges are the dependencies between packages as etcd has them. An edge is in the
// spec of the dependent and nowhere else; notices protect it while it comes into
// being. Everything here works on single objects in etcd, so it holds between any
// number of servers.
type edges struct {
	store   *registry.Store
	notices *Notices
	clock   clock.PassiveClock
}

// fresh reads a package from etcd; nil when there is none.
func (e *edges) fresh(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return e.get(ctx, namespace, name, storage.GetOptions{})
}

// cached reads a package from the watch cache; nil when it has none.
func (e *edges) cached(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return e.get(ctx, namespace, name, storage.GetOptions{ResourceVersion: asCached})
}

func (e *edges) get(ctx context.Context, namespace, name string, options storage.GetOptions) (*pm.Package, error) {
	key, err := e.key(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	p := &pm.Package{}
	if err := e.store.Storage.Get(ctx, key, options, p); err != nil {
		if storage.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read package %q: %w", name, err)
	}
	return p, nil
}

func (e *edges) key(ctx context.Context, namespace, name string) (string, error) {
	key, err := e.store.KeyFunc(genericapirequest.WithNamespace(ctx, namespace), name)
	if err != nil {
		return "", fmt.Errorf("where package %q is stored: %w", name, err)
	}
	return key, nil
}

// change changes a package in etcd in one step.
func (e *edges) change(ctx context.Context, namespace, name string, change func(*pm.Package) error) error {
	key, err := e.key(ctx, namespace, name)
	if err != nil {
		return err
	}
	return e.store.Storage.GuaranteedUpdate(ctx, key, &pm.Package{}, false, nil, storage.SimpleUpdate(
		func(existing runtime.Object) (runtime.Object, error) {
			p := existing.(*pm.Package)
			return p, change(p)
		}), false, nil)
}

// unmetError carries why a package was not marked out of an update.
type unmetError struct{ field.ErrorList }

func (e unmetError) Error() string { return e.ToAggregate().Error() }

// require returns why a package cannot have what it needs of another one. The other
// one is marked as one that is depended on, unless it is already or this is a dry
// run: from here on nobody takes something from it without looking for notices.
func (e *edges) require(ctx context.Context, dependent *pm.Package, name string, needed need, dryRun bool) (field.ErrorList, error) {
	target, err := e.fresh(ctx, dependent.Namespace, name)
	if err != nil {
		return nil, err
	}
	if errs := unmet(dependent, name, needed, target); len(errs) > 0 || dryRun || target.Annotations[pm.PackageDependedOnAnnotation] != "" {
		return errs, nil
	}
	err = e.change(ctx, dependent.Namespace, name, func(target *pm.Package) error {
		if errs := unmet(dependent, name, needed, target); len(errs) > 0 {
			return unmetError{errs}
		}
		markDependedOn(target)
		return nil
	})
	var refused unmetError
	switch {
	case errors.As(err, &refused):
		return refused.ErrorList, nil
	case storage.IsNotFound(err):
		return unmet(dependent, name, needed, nil), nil
	case err != nil:
		return nil, fmt.Errorf("mark package %q, which %q depends on: %w", name, dependent.Name, err)
	}
	return nil, nil
}

// cycle returns the path of a cycle that a package would close with its
// dependencies, and whether a write under way has part in it; nil when there is
// none. What the package is about to need must have been posted: of several writers
// that would close a cycle together, the last to post then finds what all others
// posted or stored.
//
// It goes from the package to what it depends on, and to what that depends on.
func (e *edges) cycle(ctx context.Context, p *pm.Package) (path []string, pending bool, err error) {
	drafts, _, err := e.notices.standing(ctx, p.Namespace, needing)
	if err != nil {
		return nil, false, err
	}
	certain, possible := packagegraph.Graph{}, packagegraph.Graph{}
	for i := range drafts {
		if drafts[i].Name == p.Name {
			// What else is about to happen to the package itself replaces what this
			// write stores, and looks for itself.
			continue
		}
		for _, dependency := range drafts[i].Spec.Dependencies {
			possible.Add(drafts[i].Name, dependency.Name)
		}
	}
	// Stored packages are read after the notices: what is no longer a notice is
	// stored, if it ever was.
	read := map[string]struct{}{}
	for reached := []*pm.Package{p}; len(reached) > 0; reached = reached[1:] {
		from := reached[0]
		for _, dependency := range from.Spec.Dependencies {
			certain.Add(from.Name, dependency.Name)
			possible.Add(from.Name, dependency.Name)
		}
		for _, name := range possible[from.Name] {
			if _, known := read[name]; known || name == p.Name {
				continue
			}
			read[name] = struct{}{}
			next, err := e.fresh(ctx, p.Namespace, name)
			if err != nil {
				return nil, false, err
			}
			if next == nil {
				// It may be about to be stored, with what its notice tells.
				next = &pm.Package{}
				next.Name = name
			}
			reached = append(reached, next)
		}
	}
	if path := certain.Cycle(p.Name); path != nil {
		return path, false, nil
	}
	path = possible.Cycle(p.Name)
	return path, path != nil, nil
}
