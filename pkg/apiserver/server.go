// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver is the Package Manager: a Kubernetes API server for packages,
// class deployments and clusters, with the controllers that act on them. It is
// made in three steps, each of which cannot be skipped: options, configuration,
// server.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	genericapiserver "k8s.io/apiserver/pkg/server"
	restclient "k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/packages"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/packageservice"
	registry "oaas.io/oaas/pkg/registry/pm"
)

const serverName = "oaas-apiserver"

// errControllers is why a server stopped whose controllers could not go on.
var errControllers = errors.New("the controllers failed")

// Server is a Package Manager that is ready to run.
type Server struct {
	// Generic serves the API.
	Generic *genericapiserver.GenericAPIServer

	extra      *ExtraConfig
	pool       *crmclient.Pool
	dependents packages.Dependents
	// reports answers Class Runtime Managers; nil when they are not to report.
	reports *packageservice.Server
}

// New opens the stores and installs the API.
func (c CompletedConfig) New() (*Server, error) {
	server, err := c.generic.New(serverName, genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("make the API server: %w", err)
	}
	pool, err := newPool(c.extra.Host, c.extra.Links)
	if err != nil {
		return nil, err
	}
	resources, err := registry.Open(registry.Options{
		Scheme: c.extra.Scheme, Getter: c.generic.RESTOptionsGetter, Links: pool,
	})
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
	reports, err := c.newReports(resources)
	if err != nil {
		return nil, err
	}
	return &Server{Generic: server, extra: c.extra, pool: pool, dependents: registry.Dependents(resources), reports: reports}, nil
}

// Run serves until the context ends, then lets requests and controllers finish.
// A controller that cannot go on stops the server: one that only looks healthy
// would leave every deployment as it is, and nobody would notice.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	start := func(hook genericapiserver.PostStartHookContext, work func(context.Context) error) {
		running.Go(func() {
			if err := work(hook); err != nil && hook.Err() == nil {
				stop(fmt.Errorf("%w: %w", errControllers, err))
			}
		})
	}
	err := s.Generic.AddPostStartHook("start-oaas-links", func(hook genericapiserver.PostStartHookContext) error {
		start(hook, func(ctx context.Context) error {
			return RunLinks(ctx, LinkConfig{Loopback: hook.LoopbackClientConfig, Pool: s.pool})
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("start the links with the server: %w", err)
	}
	endReports, err := s.serveReports(ctx, func(err error) { stop(err) })
	if err != nil {
		return err
	}
	defer endReports()
	if s.extra.Controllers.Enabled {
		err := s.Generic.AddPostStartHook("start-oaas-controllers", func(hook genericapiserver.PostStartHookContext) error {
			start(hook, func(ctx context.Context) error {
				return RunControllers(ctx, s.controllerConfig(hook.LoopbackClientConfig))
			})
			return nil
		})
		if err != nil {
			return fmt.Errorf("start the controllers with the server: %w", err)
		}
	}

	err = s.Generic.PrepareRun().RunWithContext(ctx)
	stop(nil)
	running.Wait()
	s.pool.Close()
	if cause := context.Cause(ctx); errors.Is(cause, errControllers) || errors.Is(cause, errReports) {
		return cause
	}
	return err
}

func (s *Server) controllerConfig(loopback *restclient.Config) ControllerConfig {
	return ControllerConfig{
		Loopback:       loopback,
		Host:           s.extra.Host,
		LeaderElect:    s.extra.Controllers.LeaderElect,
		LeaseNamespace: s.extra.Controllers.LeaseNamespace,
		Pool:           s.pool,
		Dependents:     s.dependents,
	}
}
