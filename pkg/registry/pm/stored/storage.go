// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
)

// Storage serves a resource and its status from one store, and therefore from
// one watch cache.
type Storage struct {
	// Object serves the resource.
	Object *REST
	// Status serves the resource's status subresource.
	Status *StatusREST
}

// NewStorage opens the store of a resource. The scheme knows the kinds
// and the declared rules of the resource's objects; the getter tells where and how they are stored.
func NewStorage[T Object, S, U any](scheme *runtime.Scheme, getter generic.RESTOptionsGetter, resource *Resource[T, S, U]) (*Storage, error) {
	users := newStrategy(scheme, resource)
	controllers := statusStrategy[T, S, U]{users}
	getAttrs := attributesOf(resource)
	selectable := append([]string{nameField}, resource.Indexed...)

	store := &registry.Store{
		NewFunc:                   func() runtime.Object { return resource.New() },
		NewListFunc:               resource.NewList,
		DefaultQualifiedResource:  pm.Resource(resource.Plural),
		SingularQualifiedResource: pm.Resource(resource.Singular),
		PredicateFunc: func(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
			return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: getAttrs, IndexFields: selectable}
		},
		CreateStrategy:      users,
		UpdateStrategy:      users,
		DeleteStrategy:      users,
		ResetFieldsStrategy: users,
		TableConvertor:      NewTableConvertor(resource.Columns),
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{
		RESTOptions: getter,
		AttrFunc:    getAttrs,
		Indexers:    indexersOf(resource),
		// A watch of one object is told of that one alone, instead of looking at every
		// event. The cache also gives the watches of all objects room for more events
		// then: one that falls behind for a moment is not ended.
		TriggerFunc: map[string]storage.IndexerFunc{nameField: nameOf},
	}); err != nil {
		return nil, fmt.Errorf("open the store of %s: %w", resource.Plural, err)
	}

	statusStore := *store
	statusStore.UpdateStrategy = controllers
	statusStore.ResetFieldsStrategy = controllers
	return &Storage{
		Object: &REST{Store: store, shortNames: resource.ShortNames},
		Status: &StatusREST{store: &statusStore},
	}, nil
}

// nameField is the field that every object can be selected by.
const nameField = "metadata.name"

// nameOf returns an object's name; "" for what is no object, which nobody selects.
func nameOf(obj runtime.Object) string {
	object, err := meta.Accessor(obj)
	if err != nil {
		return ""
	}
	return object.GetName()
}

// attributesOf returns what selectors see of an object. It runs for every
// object of every filtered list and watch.
func attributesOf[T Object, S, U any](resource *Resource[T, S, U]) storage.AttrFunc {
	return func(obj runtime.Object) (labels.Set, fields.Set, error) {
		object, ok := obj.(T)
		if !ok {
			return nil, nil, fmt.Errorf("%T is not one of %s", obj, resource.Plural)
		}
		set := resource.FieldValues(object)
		set[nameField] = object.GetName()
		if !resource.ClusterScoped {
			set["metadata.namespace"] = object.GetNamespace()
		}
		return object.GetLabels(), set, nil
	}
}

// indexersOf returns how the watch cache indexes objects; nil for a resource that
// has no index.
func indexersOf[T Object, S, U any](resource *Resource[T, S, U]) *cache.Indexers {
	if len(resource.Indexed)+len(resource.Indexes) == 0 {
		return nil
	}
	indexers := cache.Indexers{}
	add := func(name string, values func(T) []string) {
		indexers[storage.FieldIndex(name)] = func(obj any) ([]string, error) {
			object, ok := obj.(T)
			if !ok {
				return nil, fmt.Errorf("%T is not one of %s", obj, resource.Plural)
			}
			return values(object), nil
		}
	}
	for _, name := range resource.Indexed {
		add(name, func(object T) []string { return []string{resource.FieldValues(object).Get(name)} })
	}
	for name, values := range resource.Indexes {
		add(name, values)
	}
	return &indexers
}

// REST serves a resource.
type REST struct {
	*registry.Store
	shortNames []string
}

// ShortNames are further names that kubectl accepts.
func (r *REST) ShortNames() []string { return r.shortNames }

// Categories are the groups of resources that the resource is listed with.
func (*REST) Categories() []string { return []string{resources.Category} }

// Create stores a new object.
func (r *REST) Create(ctx context.Context, object runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	created, err := r.Store.Create(ctx, object, validate, options)
	return created, explain(err)
}

// Update changes an object.
func (r *REST) Update(
	ctx context.Context,
	name string,
	info rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc,
	updateValidation rest.ValidateObjectUpdateFunc,
	forceAllowCreate bool,
	options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	updated, created, err := r.Store.Update(ctx, name, info, createValidation, updateValidation, forceAllowCreate, options)
	return updated, created, explain(err)
}

// explain turns etcd's refusal of a large object, which would read as a failure of
// the server, into one that tells the client what to do. The client of etcd bounds
// what it sends, and etcd what it takes; neither has an error that Kubernetes
// knows.
func explain(err error) error {
	if err == nil || !strings.Contains(err.Error(), "etcdserver: request is too large") &&
		!strings.Contains(err.Error(), "trying to send message larger than max") {
		return err
	}
	return apierrors.NewRequestEntityTooLargeError("with its managed fields the object exceeds what etcd stores, about 1.5 MiB: split it or shorten its texts")
}

// StatusREST serves a status subresource. It has no store of its own.
type StatusREST struct {
	store *registry.Store
}

// New makes an empty object.
func (r *StatusREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the store belongs to the resource.
func (*StatusREST) Destroy() {}

// Get returns the object, which lets clients patch the status.
func (r *StatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update changes the status. It never creates, whatever the caller allows.
func (r *StatusREST) Update(
	ctx context.Context,
	name string,
	info rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc,
	updateValidation rest.ValidateObjectUpdateFunc,
	_ bool,
	options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	updated, created, err := r.store.Update(ctx, name, info, createValidation, updateValidation, false, options)
	return updated, created, explain(err)
}

// GetResetFields tells server-side apply which fields are not the status's.
func (r *StatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable renders the object as its resource does.
func (r *StatusREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}

var (
	_ rest.StandardStorage      = (*REST)(nil)
	_ rest.ShortNamesProvider   = (*REST)(nil)
	_ rest.CategoriesProvider   = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
	_ rest.ResetFieldsStrategy  = (*REST)(nil)

	_ rest.Patcher             = (*StatusREST)(nil)
	_ rest.Storage             = (*StatusREST)(nil)
	_ rest.TableConvertor      = (*StatusREST)(nil)
	_ rest.ResetFieldsStrategy = (*StatusREST)(nil)
)
