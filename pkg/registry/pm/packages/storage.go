// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// OpenStore opens the store of packages. NewREST puts the rules between packages
// on top.
func OpenStore(scheme *runtime.Scheme, getter generic.RESTOptionsGetter) (*stored.Storage, error) {
	return stored.NewStorage(scheme, getter, resource())
}

// Deployments tells which class deployments use a package. One that is made at the
// same moment as the package goes may be missed: a deployment without its package
// says so in its status.
type Deployments interface {
	// Using returns the class deployments of a namespace that name the package.
	// Nobody may change them.
	Using(ctx context.Context, namespace, packageName string) ([]*pm.ClassDeployment, error)
}

// REST serves packages. It is the store with the rules that reach beyond one
// package: what others need of it is there and stays there.
type REST struct {
	*stored.REST
	edges       *edges
	deployments Deployments
}

// NewREST puts the rules on top of a store, which must not be served otherwise. It
// closes the notices when it is destroyed.
func NewREST(store *stored.REST, notices *Notices, deployments Deployments, clock clock.PassiveClock) *REST {
	return &REST{
		REST: store, deployments: deployments,
		edges: &edges{store: store.Store, notices: notices, clock: clock},
	}
}

// Destroy closes the connections to etcd.
func (r *REST) Destroy() {
	r.REST.Destroy()
	r.edges.notices.Destroy()
}

// Dependents keeps the lists of dependents of the packages that are served here.
func (r *REST) Dependents() Dependents { return r.edges }

// Create stores a new package.
func (r *REST) Create(
	ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions,
) (runtime.Object, error) {
	write := r.edges.begin(dryrun.IsDryRun(options.DryRun))
	bounded, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	created, err := r.REST.Create(bounded, obj, write.onCreate(validate), options)
	write.end(ctx, err)
	return created, err
}

// Update changes a package, or creates it where that is allowed.
func (r *REST) Update(
	ctx context.Context,
	name string,
	info rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc,
	updateValidation rest.ValidateObjectUpdateFunc,
	forceAllowCreate bool,
	options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	write := r.edges.begin(dryrun.IsDryRun(options.DryRun))
	bounded, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	updated, created, err := r.REST.Update(bounded, name, info,
		write.onCreate(createValidation), write.onUpdate(updateValidation), forceAllowCreate, options)
	write.end(ctx, err)
	return updated, created, err
}

var (
	_ rest.StandardStorage      = (*REST)(nil)
	_ rest.ShortNamesProvider   = (*REST)(nil)
	_ rest.CategoriesProvider   = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
	_ rest.ResetFieldsStrategy  = (*REST)(nil)
)

// Reader reads packages for the rules of other resources.
type Reader struct {
	edges *edges
}

// NewReader reads packages from a store.
func NewReader(store *stored.REST) Reader {
	return Reader{&edges{store: store.Store}}
}

// Package returns a package as etcd has it; nil when there is none.
func (r Reader) Package(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return r.edges.fresh(ctx, namespace, name)
}
