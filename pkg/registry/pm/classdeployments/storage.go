// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"fmt"
	"strconv"

	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// OpenStore opens the store of class deployments. NewREST puts the rules on top
// that reach into packages.
func OpenStore(scheme *runtime.Scheme, getter generic.RESTOptionsGetter) (*stored.Storage, error) {
	return stored.NewStorage(scheme, getter, resource())
}

// Packages reads packages.
type Packages interface {
	// Package returns a package; nil when there is none.
	Package(ctx context.Context, namespace, name string) (*pm.Package, error)
}

// REST serves class deployments. It is the store with the rule that what is
// disabled takes no new deployments.
type REST struct {
	*stored.REST
	packages Packages
}

// NewREST puts the rules on top of a store, which must not be served otherwise.
func NewREST(store *stored.REST, packages Packages) *REST {
	return &REST{REST: store, packages: packages}
}

// Create stores a new class deployment.
func (r *REST) Create(
	ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions,
) (runtime.Object, error) {
	return r.REST.Create(ctx, obj, r.deployable(validate), options)
}

// Update changes a class deployment, or creates it where that is allowed. One that
// exists may change whatever became of its package.
func (r *REST) Update(
	ctx context.Context,
	name string,
	info rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc,
	updateValidation rest.ValidateObjectUpdateFunc,
	forceAllowCreate bool,
	options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.REST.Update(ctx, name, info, r.deployable(createValidation), updateValidation, forceAllowCreate, options)
}

// deployable refuses new deployments of what is disabled, after everything else
// was checked. It looks once: what is disabled right after is for the planner, which
// makes no units of it.
func (r *REST) deployable(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		return deployable(obj.(*pm.ClassDeployment), func(name string) (*pm.Package, error) {
			return r.packages.Package(ctx, request.NamespaceValue(ctx), name)
		})
	}
}

// Users finds class deployments by the package that they use.
type Users struct {
	store *stored.REST
}

// NewUsers finds class deployments in a store.
func NewUsers(store *stored.REST) Users { return Users{store} }

// Using returns the class deployments of a namespace that name the package, as etcd
// has them now: whoever has just made or removed one is not told otherwise. They come
// from the watch cache, which finds them by an index, once it is as new as that.
// Nobody may change them.
func (u Users) Using(ctx context.Context, namespace, packageName string) ([]*pm.ClassDeployment, error) {
	ctx = request.WithNamespace(ctx, namespace)
	now, err := u.store.Storage.Storage.GetCurrentResourceVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask etcd for its revision: %w", err)
	}
	defer stored.AskForProgress(ctx, u.store.Storage.Storage)()
	selection := &metainternalversion.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(packageField, packageName),
		ResourceVersion: strconv.FormatUint(now, 10), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}
	obj, err := u.store.List(ctx, selection)
	if storage.IsTooLargeResourceVersion(err) {
		// The cache did not get there in time. etcd itself knows, but has no index.
		selection.ResourceVersion, selection.ResourceVersionMatch = "", ""
		obj, err = u.store.List(ctx, selection)
	}
	if err != nil {
		return nil, err
	}
	list, ok := obj.(*pm.ClassDeploymentList)
	if !ok {
		return nil, fmt.Errorf("listing class deployments gave %T", obj)
	}
	users := make([]*pm.ClassDeployment, 0, len(list.Items))
	for i := range list.Items {
		users = append(users, &list.Items[i])
	}
	return users, nil
}

var (
	_ rest.StandardStorage      = (*REST)(nil)
	_ rest.ShortNamesProvider   = (*REST)(nil)
	_ rest.CategoriesProvider   = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
	_ rest.ResetFieldsStrategy  = (*REST)(nil)
)
