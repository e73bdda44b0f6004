// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package runtimestates

import (
	"context"
	"errors"
	"fmt"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// errKeep ends an update that leaves the stored object as it is.
var errKeep = errors.New("keep the runtime state")

// States reads and writes runtime states from within the server, in the store that
// users read from. What it writes is validated as any other object.
type States struct {
	store *registry.Store
}

func newStates(scheme *runtime.Scheme, store *registry.Store, described *stored.Resource[*pm.RuntimeState, pm.RuntimeStateSpec, pm.RuntimeStateStatus]) *States {
	writing := *store
	reporter := strategy{Scheme: scheme, NameGenerator: names.SimpleNameGenerator, resource: described}
	writing.CreateStrategy = reporter
	writing.UpdateStrategy = reporter
	writing.ResetFieldsStrategy = nil
	return &States{store: &writing}
}

// Cached returns a runtime state as the server's cache knows it, which may be a
// moment old; nil when there is none. The caller must not change it.
func (s *States) Cached(ctx context.Context, key types.NamespacedName) (*pm.RuntimeState, error) {
	object, err := s.store.Get(genericapirequest.WithNamespace(ctx, key.Namespace), key.Name, &metav1.GetOptions{ResourceVersion: "0"})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read runtime state %s: %w", key, err)
	}
	state, ok := object.(*pm.RuntimeState)
	if !ok {
		return nil, fmt.Errorf("read runtime state %s: the store holds %T", key, object)
	}
	return state, nil
}

// Apply changes a runtime state, or creates it. The change gets what is stored, or
// an empty object with its name and namespace, and edits it in place; it is
// called again on what is stored then when somebody else was faster, so that no
// write is lost. When the change returns false nothing is written. Apply returns
// what is stored in the end, nil when there is nothing.
func (s *States) Apply(ctx context.Context, key types.NamespacedName, change func(*pm.RuntimeState) bool) (*pm.RuntimeState, error) {
	ctx = genericapirequest.WithNamespace(ctx, key.Namespace)
	info := changed{key: key, change: change}
	object, _, err := s.store.Update(ctx, key.Name, &info, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, true, &metav1.UpdateOptions{})
	if errors.Is(err, errKeep) {
		return info.kept, nil
	}
	if err != nil {
		return nil, fmt.Errorf("write runtime state %s: %w", key, err)
	}
	state, ok := object.(*pm.RuntimeState)
	if !ok {
		return nil, fmt.Errorf("write runtime state %s: the store holds %T", key, object)
	}
	return state, nil
}

// changed makes the new object of the stored one.
type changed struct {
	key    types.NamespacedName
	change func(*pm.RuntimeState) bool
	// kept is what was stored when the change decided to leave it.
	kept *pm.RuntimeState
}

// Preconditions implements rest.UpdatedObjectInfo.
func (*changed) Preconditions() *metav1.Preconditions { return nil }

// UpdatedObject implements rest.UpdatedObjectInfo.
func (c *changed) UpdatedObject(_ context.Context, old runtime.Object) (runtime.Object, error) {
	before, ok := old.(*pm.RuntimeState)
	if !ok {
		return nil, fmt.Errorf("the store holds %T", old)
	}
	c.kept = nil
	if before.ResourceVersion != "" {
		c.kept = before
	}
	state := before.DeepCopy()
	state.Namespace, state.Name = c.key.Namespace, c.key.Name
	if !c.change(state) {
		return nil, errKeep
	}
	return state, nil
}

// strategy is how the Package Manager writes: spec and status at once.
type strategy struct {
	*runtime.Scheme
	names.NameGenerator
	resource *stored.Resource[*pm.RuntimeState, pm.RuntimeStateSpec, pm.RuntimeStateStatus]
}

func (strategy) NamespaceScoped() bool { return true }

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	obj.(*pm.RuntimeState).Generation = 1
}

// PrepareForUpdate counts the generation up when the spec changes.
func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	updated, previous := obj.(*pm.RuntimeState), old.(*pm.RuntimeState)
	updated.Generation = previous.Generation
	if !apiequality.Semantic.DeepEqual(updated.Spec, previous.Spec) {
		updated.Generation++
	}
}

func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return s.resource.Validate(obj.(*pm.RuntimeState))
}

func (s strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return s.resource.ValidateUpdate(obj.(*pm.RuntimeState), old.(*pm.RuntimeState))
}

// ValidateDeclaratively adds what the declared rules find.
func (s strategy) ValidateDeclaratively(
	ctx context.Context, obj, old runtime.Object, found field.ErrorList, kind operation.Type, _ rest.DeclarativeValidationConfig,
) field.ErrorList {
	return stored.Declared(ctx, s.Scheme, s.resource.Resource, obj, old, found, kind)
}

// DeclarativeValidationConfig is the same for all writes.
func (strategy) DeclarativeValidationConfig(context.Context, runtime.Object, runtime.Object) rest.DeclarativeValidationConfig {
	return rest.DeclarativeValidationConfig{}
}

func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

func (strategy) Canonicalize(runtime.Object) {}

func (strategy) AllowCreateOnUpdate(context.Context) bool { return true }

// AllowUnconditionalUpdate is false: what is written is always made of what was
// read.
func (strategy) AllowUnconditionalUpdate(context.Context) bool { return false }

var (
	_ rest.RESTCreateStrategy = strategy{}
	_ rest.RESTUpdateStrategy = strategy{}
	_ rest.UpdatedObjectInfo  = (*changed)(nil)
)
