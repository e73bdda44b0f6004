// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// follow keeps a local copy of the objects of a kind until the context ends. The
// channel gets a value after each change; a slow reader misses none, because
// values that it did not fetch yet are merged into one.
func (c *connection) follow(ctx context.Context, k kind, namespace, fieldSelector string, changed chan<- struct{}) (cache.Store, error) {
	informer := dynamicinformer.NewFilteredDynamicInformer(c.dynamic, k.gvr(), namespace, 0, cache.Indexers{},
		func(options *metav1.ListOptions) { options.FieldSelector = fieldSelector }).Informer()
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	failed := make(chan error, 1)
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		select {
		case failed <- err:
		default:
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", k.resource, err)
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	})
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", k.resource, err)
	}
	go informer.RunWithContext(ctx)
	synced := make(chan bool, 1)
	go func() { synced <- cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) }()
	select {
	case err := <-failed:
		if ctx.Err() != nil {
			return nil, ended(ctx)
		}
		// Later failures are retried: the server may be restarting.
		return nil, fmt.Errorf("watching %s: %w", k.resource, err)
	case ok := <-synced:
		if !ok {
			return nil, ended(ctx)
		}
	}
	notify()
	return informer.GetStore(), nil
}
