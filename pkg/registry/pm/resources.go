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
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/registry/pm/classdeployments"
	"oaas.io/oaas/pkg/registry/pm/classes"
	"oaas.io/oaas/pkg/registry/pm/clusters"
	"oaas.io/oaas/pkg/registry/pm/computed/parts"
	"oaas.io/oaas/pkg/registry/pm/deploymentrecords"
	"oaas.io/oaas/pkg/registry/pm/functions"
	"oaas.io/oaas/pkg/registry/pm/packages"
	"oaas.io/oaas/pkg/registry/pm/runtimestates"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// Options are what the resources are made with.
type Options struct {
	// Scheme knows the kinds of objects, their forms and their declared rules.
	Scheme *runtime.Scheme
	// Getter tells where and how objects are stored.
	Getter generic.RESTOptionsGetter
	// Links are the links to the clusters, whose live records are served.
	Links *crmclient.Pool
}

// Open opens the storage of all resources and subresources, by their path below
// the version, such as packages/status.
func Open(options Options) (map[string]rest.Storage, error) {
	storage := map[string]rest.Storage{}
	stores := map[string]*stored.REST{}
	for name, open := range map[string]func(*runtime.Scheme, generic.RESTOptionsGetter) (*stored.Storage, error){
		resources.Packages:         packages.OpenStore,
		resources.ClassDeployments: classdeployments.OpenStore,
		resources.Clusters:         clusters.NewStorage,
	} {
		resource, err := open(options.Scheme, options.Getter)
		if err != nil {
			return nil, err
		}
		stores[name] = resource.Object
		storage[name] = resource.Object
		storage[name+"/status"] = resource.Status
	}
	// These two have rules about each other.
	notices, err := packages.OpenNotices(options.Getter)
	if err != nil {
		return nil, err
	}
	storage[resources.Packages] = packages.NewREST(
		stores[resources.Packages], notices, classdeployments.NewUsers(stores[resources.ClassDeployments]), clock.RealClock{})
	storage[resources.ClassDeployments] = classdeployments.NewREST(
		stores[resources.ClassDeployments], packages.NewReader(stores[resources.Packages]))
	storage[resources.ClassDeployments+"/scale"] = classdeployments.NewScale(stores[resources.ClassDeployments])
	storage[resources.ClassDeployments+"/plan"] = classdeployments.NewPlan(
		stores[resources.ClassDeployments], stores[resources.Packages], stores[resources.Clusters])
	storage[resources.ClassDeployments+"/render"] = classdeployments.NewRender(
		options.Scheme, stores[resources.ClassDeployments], stores[resources.Packages], stores[resources.Clusters], options.Links)

	states, err := runtimestates.NewStorage(options.Scheme, options.Getter)
	if err != nil {
		return nil, err
	}
	storage[resources.RuntimeStates] = states

	published := parts.Follow(storage[resources.Packages].(parts.Store), options.Getter)
	storage[resources.Classes] = classes.NewStorage(published)
	storage[resources.Functions] = functions.NewStorage(published)
	published.Start()
	storage[resources.DeploymentRecords] = deploymentrecords.NewStorage(deploymentrecords.Options{
		Pool: options.Links, Log: klog.Background().WithName(resources.DeploymentRecords),
	})
	return storage, nil
}

// Dependents keeps the lists of dependents of the packages in a storage that Open
// made; nil when it serves no packages.
func Dependents(storage map[string]rest.Storage) packages.Dependents {
	served, ok := storage[resources.Packages].(*packages.REST)
	if !ok {
		return nil
	}
	return served.Dependents()
}
