// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pm opens the storage of every resource of the group pm.oaas.io. A new
// resource is an entry in resources.All, one here, and a package with its
// strategy.
package pm

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/registry/pm/classdeployments"
	"oaas.io/oaas/pkg/registry/pm/clusters"
	"oaas.io/oaas/pkg/registry/pm/packages"
	"oaas.io/oaas/pkg/registry/pm/runtimestates"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// Options are what the resources are made with.
type Options struct {
	// Typer tells the kinds of objects.
	Typer runtime.ObjectTyper
	// Getter tells where and how objects are stored.
	Getter generic.RESTOptionsGetter
}

// Open opens the storage of all resources and subresources, by their path below
// the version, such as packages/status.
func Open(options Options) (map[string]rest.Storage, error) {
	storage := map[string]rest.Storage{}
	for name, open := range map[string]func(runtime.ObjectTyper, generic.RESTOptionsGetter) (*stored.Storage, error){
		resources.Packages:         packages.NewStorage,
		resources.ClassDeployments: classdeployments.NewStorage,
		resources.Clusters:         clusters.NewStorage,
	} {
		resource, err := open(options.Typer, options.Getter)
		if err != nil {
			return nil, err
		}
		storage[name] = resource.Object
		storage[name+"/status"] = resource.Status
	}
	states, err := runtimestates.NewStorage(options.Typer, options.Getter)
	if err != nil {
		return nil, err
	}
	storage[resources.RuntimeStates] = states
	return storage, nil
}
