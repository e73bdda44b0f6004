// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver is the Package Manager: a Kubernetes API server for packages,
// class deployments and clusters, with the controllers that act on them. It is
// made in three steps, each of which cannot be skipped: options, configuration,
// server.
package apiserver

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/registry/pm/classdeployments"
	"oaas.io/oaas/pkg/registry/pm/clusters"
	"oaas.io/oaas/pkg/registry/pm/packages"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

const serverName = "oaas-apiserver"

// Server is a Package Manager that is ready to run.
type Server struct {
	// Generic serves the API.
	Generic *genericapiserver.GenericAPIServer
}

// New opens the stores and installs the API.
func (c CompletedConfig) New() (*Server, error) {
	server, err := c.generic.New(serverName, genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("make the API server: %w", err)
	}
	resources, err := resourceStorage(c.extra.Scheme, c.generic.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	// Options of requests are encoded as metav1 whatever the group is.
	parameterCodec := runtime.NewParameterCodec(c.extra.Scheme)
	group := genericapiserver.NewDefaultAPIGroupInfo(v1alpha1.GroupName, c.extra.Scheme, parameterCodec, c.extra.Codecs)
	group.VersionedResourcesStorageMap[v1alpha1.SchemeGroupVersion.Version] = resources
	if err := server.InstallAPIGroup(&group); err != nil {
		return nil, fmt.Errorf("install the API group %s: %w", v1alpha1.GroupName, err)
	}
	return &Server{Generic: server}, nil
}

// resourceStorage opens one store for each resource; the status subresource
// shares it.
func resourceStorage(typer runtime.ObjectTyper, getter generic.RESTOptionsGetter) (map[string]rest.Storage, error) {
	storage := map[string]rest.Storage{}
	for name, open := range map[string]func(runtime.ObjectTyper, generic.RESTOptionsGetter) (*stored.Storage, error){
		"packages":         packages.NewStorage,
		"classdeployments": classdeployments.NewStorage,
		"clusters":         clusters.NewStorage,
	} {
		resource, err := open(typer, getter)
		if err != nil {
			return nil, err
		}
		storage[name] = resource.Object
		storage[name+"/status"] = resource.Status
	}
	return storage, nil
}

// Run serves until the context ends, then lets requests finish.
func (s *Server) Run(ctx context.Context) error {
	return s.Generic.PrepareRun().RunWithContext(ctx)
}
