// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"context"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// strategy is how users write: everything but the status.
type strategy[T Object, S, U any] struct {
	*runtime.Scheme
	names.NameGenerator
	resource *Resource[T, S, U]
}

func newStrategy[T Object, S, U any](scheme *runtime.Scheme, resource *Resource[T, S, U]) strategy[T, S, U] {
	return strategy[T, S, U]{Scheme: scheme, NameGenerator: names.SimpleNameGenerator, resource: resource}
}

func (s strategy[T, S, U]) NamespaceScoped() bool { return !s.resource.ClusterScoped }

// PrepareForCreate drops the status, which is the controllers' to write.
func (s strategy[T, S, U]) PrepareForCreate(ctx context.Context, obj runtime.Object) {
	created := obj.(T)
	*s.resource.Status(created) = *new(U)
	created.SetGeneration(1)
	s.keep(created, s.resource.New())
	s.prepare(ctx, created)
}

// PrepareForUpdate keeps the status and counts the generation up when, and only
// when, the spec means something else than before.
func (s strategy[T, S, U]) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	updated, previous := obj.(T), old.(T)
	*s.resource.Status(updated) = *s.resource.Status(previous)
	s.keep(updated, previous)
	s.prepare(ctx, updated)
	if !apiequality.Semantic.DeepEqual(s.resource.Spec(updated), s.resource.Spec(previous)) {
		updated.SetGeneration(previous.GetGeneration() + 1)
	}
}

func (s strategy[T, S, U]) prepare(ctx context.Context, obj T) {
	if s.resource.Prepare != nil {
		s.resource.Prepare(ctx, obj)
	}
}

func (s strategy[T, S, U]) keep(updated, stored T) {
	if s.resource.Keep != nil {
		s.resource.Keep(updated, stored)
	}
}

func (s strategy[T, S, U]) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return s.resource.Validate(obj.(T))
}

func (s strategy[T, S, U]) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return s.resource.ValidateUpdate(obj.(T), old.(T))
}

// ValidateDeclaratively adds what the declared rules find.
func (s strategy[T, S, U]) ValidateDeclaratively(
	ctx context.Context, obj, old runtime.Object, found field.ErrorList, kind operation.Type, _ rest.DeclarativeValidationConfig,
) field.ErrorList {
	return Declared(ctx, s.Scheme, s.resource.Resource, obj, old, found, kind)
}

// DeclarativeValidationConfig is the same for all requests.
func (strategy[T, S, U]) DeclarativeValidationConfig(context.Context, runtime.Object, runtime.Object) rest.DeclarativeValidationConfig {
	return rest.DeclarativeValidationConfig{}
}

func (s strategy[T, S, U]) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return s.resource.Warnings(obj.(T))
}

func (s strategy[T, S, U]) WarningsOnUpdate(_ context.Context, obj, _ runtime.Object) []string {
	return s.resource.Warnings(obj.(T))
}

func (strategy[T, S, U]) Canonicalize(runtime.Object) {}

// AllowCreateOnUpdate lets a PUT create, as it does for the declarative
// resources of Kubernetes.
func (strategy[T, S, U]) AllowCreateOnUpdate(context.Context) bool { return true }

// AllowUnconditionalUpdate lets a PUT without a resourceVersion overwrite.
func (strategy[T, S, U]) AllowUnconditionalUpdate(context.Context) bool { return true }

// GetResetFields keeps server-side apply from owning a status that is dropped.
func (s strategy[T, S, U]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(s.resource.Versions, append(slices.Clone(s.resource.KeptFields), fieldpath.MakePathOrDie("status"))...)
}

// statusStrategy is how controllers write: nothing but the status.
type statusStrategy[T Object, S, U any] struct {
	strategy[T, S, U]
}

// PrepareForUpdate keeps the spec, the metadata, and what no client may write.
func (s statusStrategy[T, S, U]) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	updated, previous := obj.(T), old.(T)
	*s.resource.Spec(updated) = *s.resource.Spec(previous)
	metav1.ResetObjectMetaForStatus(updated, previous)
	s.keep(updated, previous)
}

func (s statusStrategy[T, S, U]) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return s.resource.ValidateStatus(obj.(T), old.(T))
}

// WarningsOnUpdate is silent: a controller cannot mend the spec.
func (statusStrategy[T, S, U]) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// AllowCreateOnUpdate is false: a status without its object means nothing.
func (statusStrategy[T, S, U]) AllowCreateOnUpdate(context.Context) bool { return false }

// GetResetFields lists what PrepareForUpdate takes from the stored object.
func (s statusStrategy[T, S, U]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(s.resource.Versions, append(slices.Clone(s.resource.KeptFields),
		fieldpath.MakePathOrDie("spec"),
		fieldpath.MakePathOrDie("metadata", "labels"),
		fieldpath.MakePathOrDie("metadata", "annotations"),
		fieldpath.MakePathOrDie("metadata", "finalizers"),
		fieldpath.MakePathOrDie("metadata", "ownerReferences"),
	)...)
}

func resetFields(versions []schema.GroupVersion, paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	reset := make(map[fieldpath.APIVersion]*fieldpath.Set, len(versions))
	for _, version := range versions {
		reset[fieldpath.APIVersion(version.String())] = fieldpath.NewSet(paths...)
	}
	return reset
}

var (
	_ rest.CreateUpdateResetFieldsStrategy = strategy[Object, struct{}, struct{}]{}
	_ rest.DeclarativeValidationStrategy   = strategy[Object, struct{}, struct{}]{}
	_ rest.RESTDeleteStrategy              = strategy[Object, struct{}, struct{}]{}
	_ rest.UpdateResetFieldsStrategy       = statusStrategy[Object, struct{}, struct{}]{}
)
