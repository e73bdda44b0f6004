// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package runtimestates

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/registry/pm/stored"
)

// REST serves runtime states to users, who read and delete. That it can neither
// create nor update is a matter of its type: discovery offers what a storage can
// do.
type REST struct {
	served

	states *States
}

// served is what users get of the store.
type served interface {
	rest.Storage
	rest.Scoper
	rest.Getter
	rest.Lister
	rest.Watcher
	rest.GracefulDeleter
	rest.CollectionDeleter
	rest.TableConvertor
	rest.SingularNameProvider
	rest.ShortNamesProvider
	rest.CategoriesProvider
	rest.StorageVersionProvider
}

// NewStorage opens the store of runtime states.
func NewStorage(scheme *runtime.Scheme, getter generic.RESTOptionsGetter) (*REST, error) {
	described := resource()
	storage, err := stored.NewStorage(scheme, getter, described)
	if err != nil {
		return nil, err
	}
	return &REST{served: storage.Object, states: newStates(scheme, storage.Object.Store, described)}, nil
}

// States is the way by which the Package Manager writes.
func (r *REST) States() *States { return r.states }

var _ served = (*stored.REST)(nil)
