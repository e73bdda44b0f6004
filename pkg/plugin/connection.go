// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// kind is one of the kinds that the commands handle, in the order of applying.
type kind struct {
	name       string
	resource   string
	namespaced bool
}

func kinds() []kind {
	return []kind{
		{name: "Cluster", resource: "clusters"},
		{name: "Package", resource: "packages", namespaced: true},
		{name: "ClassDeployment", resource: "classdeployments", namespaced: true},
	}
}

func (k kind) gvr() schema.GroupVersionResource {
	return pmv1alpha1.SchemeGroupVersion.WithResource(k.resource)
}

func kindNamed(name string) kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	return kind{}
}

// connection is a client for one cluster, with the namespace to work in.
type connection struct {
	dynamic   dynamic.Interface
	discovery discovery.DiscoveryInterface
	host      string
	namespace string
	// enforceNamespace is true when the user named the namespace on the command
	// line, so that a manifest must not name another one.
	enforceNamespace bool
}

// connect makes a client from the flags and checks that the API is served.
func (s *shared) connect(ctx context.Context) (*connection, error) {
	namespace, enforce, err := s.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config, err := s.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	c, err := newConnection(config, namespace, enforce)
	if err != nil {
		return nil, err
	}
	return c, c.checkServed(ctx)
}

func newConnection(config *rest.Config, namespace string, enforce bool) (*connection, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	return &connection{
		dynamic: client, discovery: discoveryClient, host: config.Host,
		namespace: namespace, enforceNamespace: enforce,
	}, nil
}

// checkServed tells a missing API from a missing object: both are 404.
func (c *connection) checkServed(ctx context.Context) error {
	path := "/apis/" + pmv1alpha1.SchemeGroupVersion.String()
	return c.explain(c.discovery.RESTClient().Get().AbsPath(path).Do(ctx).Error())
}

func (c *connection) explain(err error) error {
	group := pmv1alpha1.SchemeGroupVersion.String()
	var dial *url.Error
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s does not serve %s: install the Package Manager there (go run ./hack/install), "+
			"or choose another cluster with --context", c.host, group)
	case apierrors.IsServiceUnavailable(err):
		return fmt.Errorf("%s has %s registered, but its server does not answer: "+
			"kubectl get apiservice v1alpha1.%s -o yaml tells why: %w", c.host, group, pmv1alpha1.GroupName, err)
	case errors.As(err, &dial):
		return fmt.Errorf("cannot reach %s: %w", c.host, dial.Err)
	}
	return fmt.Errorf("asking %s for %s: %w", c.host, group, err)
}

func (c *connection) resource(k kind, namespace string) dynamic.ResourceInterface {
	if k.namespaced && namespace != "" {
		return c.dynamic.Resource(k.gvr()).Namespace(namespace)
	}
	return c.dynamic.Resource(k.gvr())
}

// typed turns what the dynamic client returns into an API type.
func typed[T any](object any) (*T, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("a %T is not an object of the API", object)
	}
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return out, nil
}
