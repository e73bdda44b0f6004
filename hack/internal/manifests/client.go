// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Client applies and deletes objects of any kind.
type Client struct {
	dynamic      dynamic.Interface
	mapper       *restmapper.DeferredDiscoveryRESTMapper
	fieldManager string
}

// NewClient returns a client that applies as the given field manager.
func NewClient(config *rest.Config, fieldManager string) (*Client, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))
	return &Client{dynamic: client, mapper: mapper, fieldManager: fieldManager}, nil
}

// Apply applies objects server-side, in the order given. Applying the same
// objects again changes nothing.
func (c *Client) Apply(ctx context.Context, objects ...runtime.Object) error {
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("encoding an object: %w", err)
		}
		delete(content, "status")
		one := &unstructured.Unstructured{Object: content}
		resource, err := c.resource(one)
		if err == nil {
			_, err = resource.Apply(ctx, one.GetName(), one, metav1.ApplyOptions{FieldManager: c.fieldManager, Force: true})
		}
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", one.GetKind(), one.GetName(), err)
		}
	}
	return nil
}

// Delete begins to delete objects, the last one first. Those that are not there
// are no error, nor are those of a kind that the cluster does not know.
func (c *Client) Delete(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range slices.Backward(objects) {
		resource, err := c.resource(object)
		if apimeta.IsNoMatchError(err) {
			continue
		}
		if err == nil {
			background := metav1.DeletePropagationBackground
			err = resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Gone says which of the objects are still there.
func (c *Client) Gone(ctx context.Context, objects ...*unstructured.Unstructured) error {
	var left []error
	for _, object := range objects {
		resource, err := c.resource(object)
		if apimeta.IsNoMatchError(err) {
			continue
		}
		if err == nil {
			_, err = resource.Get(ctx, object.GetName(), metav1.GetOptions{})
		}
		switch {
		case err == nil:
			left = append(left, fmt.Errorf("%s %s is still there", object.GetKind(), object.GetName()))
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return errors.Join(left...)
}

func (c *Client) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if apimeta.IsNoMatchError(err) {
		// A definition that was applied a moment ago.
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == apimeta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
	}
	return c.dynamic.Resource(mapping.Resource), nil
}
