// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/packagegraph"
)

// edges are the dependencies between packages as etcd has them. An edge is in the
// spec of the dependent, which is the truth, and announced on the dependency,
// which is what protects it. Everything here works on single objects in etcd, so
// it holds between any number of servers.
type edges struct {
	store *registry.Store
	clock clock.PassiveClock
}

// fresh reads a package from etcd; nil when there is none.
func (e *edges) fresh(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return e.get(ctx, namespace, name, storage.GetOptions{})
}

// cached reads a package from the watch cache; nil when it has none.
func (e *edges) cached(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return e.get(ctx, namespace, name, storage.GetOptions{ResourceVersion: "0"})
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

// unmetError carries why a reservation was refused out of an update.
type unmetError struct{ field.ErrorList }

func (e unmetError) Error() string { return e.ToAggregate().Error() }

// reserve announces on a package that another one is about to need something of
// it, if it has that. From here on the package keeps it.
func (e *edges) reserve(ctx context.Context, dependent *pm.Package, name string, needed need, id string) (field.ErrorList, error) {
	err := e.change(ctx, dependent.Namespace, name, func(target *pm.Package) error {
		if errs := unmet(dependent, name, needed, target); len(errs) > 0 {
			return unmetError{errs}
		}
		reserved := reservationsOf(target)
		if reserved == nil {
			reserved = map[string]reservation{}
		}
		reserved[id] = reservation{
			Package: dependent.Name, Version: needed.versions, Functions: needed.functions, Since: e.clock.Now().Unix(),
		}
		return setReservations(target, reserved)
	})
	var refused unmetError
	switch {
	case errors.As(err, &refused):
		return refused.ErrorList, nil
	case storage.IsNotFound(err):
		return unmet(dependent, name, needed, nil), nil
	case err != nil:
		return nil, fmt.Errorf("reserve package %q for %q: %w", name, dependent.Name, err)
	}
	return nil, nil
}

// settle lists dependents of a package as they stand in etcd, and takes away the
// reservation with the given id, if any, and those of the same dependents that
// count no longer. A package that is gone needs no list.
//
// Each dependent is read after the package was and before it is written. A write
// of the dependent that this misses has either reserved before, and its
// reservation stays; or reserves after, and this begins anew.
func (e *edges) settle(ctx context.Context, target types.NamespacedName, dependents []string, id string) error {
	err := e.change(ctx, target.Namespace, target.Name, func(p *pm.Package) error {
		now := e.clock.Now()
		reserved := reservationsOf(p)
		since := now
		if own, found := reserved[id]; found {
			since = time.Unix(own.Since, 0)
			delete(reserved, id)
		}
		maps.DeleteFunc(reserved, func(_ string, r reservation) bool {
			return !r.counts(now) && slices.Contains(dependents, r.Package)
		})
		if err := setReservations(p, reserved); err != nil {
			return err
		}
		for _, name := range dependents {
			dependent, err := e.fresh(ctx, target.Namespace, name)
			if err != nil {
				return err
			}
			needed, found := needsOf(dependent)[target.Name]
			list(p, name, needed, found, metav1.NewTime(since))
		}
		return nil
	})
	if storage.IsNotFound(err) {
		return nil
	}
	return err
}

// list puts a dependent into the list of a package, or takes it out.
func list(p *pm.Package, dependent string, needed need, needs bool, since metav1.Time) {
	index, found := slices.BinarySearchFunc(p.Status.Dependents, dependent, func(d pm.PackageDependent, name string) int {
		return strings.Compare(d.Name, name)
	})
	switch {
	case found && !needs:
		p.Status.Dependents = slices.Delete(p.Status.Dependents, index, index+1)
	case found:
		entry := &p.Status.Dependents[index]
		entry.Version, entry.Functions = needed.versions, needed.functions
	case needs:
		p.Status.Dependents = slices.Insert(p.Status.Dependents, index, pm.PackageDependent{
			Name: dependent, Version: needed.versions, Functions: needed.functions, Since: since,
		})
	}
	if len(p.Status.Dependents) == 0 {
		p.Status.Dependents = nil
	}
}

// cycle returns the path of a cycle that a package would close with its
// dependencies, and whether a write under way has part in it; nil when there is
// none. The dependencies must have been reserved: of several writers that would
// close a cycle together, the last to reserve then finds what all others announced.
//
// It goes from the package to those that depend on it, and to those that depend
// on them, and reads each from etcd after the one that it needs. What is announced
// but not in the dependent's spec, and cannot be under way, does not count.
func (e *edges) cycle(ctx context.Context, p *pm.Package) (path []string, pending bool, err error) {
	start, err := e.fresh(ctx, p.Namespace, p.Name)
	if err != nil || start == nil {
		return nil, false, err
	}
	certain, possible := packagegraph.Graph{}, packagegraph.Graph{}
	for _, dependency := range p.Spec.Dependencies {
		certain.Add(p.Name, dependency.Name)
		possible.Add(p.Name, dependency.Name)
	}
	known := map[string]*pm.Package{p.Name: start}
	for reached := []*pm.Package{start}; len(reached) > 0; reached = reached[1:] {
		target := reached[0]
		claims := announcedOn(target, e.clock.Now())
		for _, name := range claims.names() {
			if name == p.Name {
				continue
			}
			dependent, seen := known[name]
			if _, needs := needsOf(dependent)[target.Name]; !needs {
				if dependent, err = e.fresh(ctx, p.Namespace, name); err != nil {
					return nil, false, err
				}
			}
			_, needs := needsOf(dependent)[target.Name]
			if !needs && !claims.pending(name) {
				continue
			}
			possible.Add(name, target.Name)
			if needs {
				certain.Add(name, target.Name)
			}
			if dependent != nil && !seen {
				known[name] = dependent
				reached = append(reached, dependent)
			}
		}
	}
	if path := certain.Cycle(p.Name); path != nil {
		return path, false, nil
	}
	path = possible.Cycle(p.Name)
	return path, path != nil, nil
}

// confirmed are those of some dependents that need a package according to etcd,
// and those that may be about to. It stops looking when it has enough of the
// former for a message.
func (e *edges) confirmed(ctx context.Context, target *pm.Package, claims announced, names []string) (need []string, pending []string, err error) {
	for _, name := range names {
		dependent, err := e.fresh(ctx, target.Namespace, name)
		if err != nil {
			return nil, nil, err
		}
		if _, needs := needsOf(dependent)[target.Name]; needs {
			need = append(need, name)
		} else if claims.pending(name) {
			pending = append(pending, name)
		}
		if len(need) == shownNames {
			break
		}
	}
	return need, pending, nil
}
