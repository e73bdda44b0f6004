// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// lookEvery is how often everything is looked at when nothing happens, as the
	// time alone can make a certificate due.
	lookEvery = time.Minute
	// firstTry bounds the attempt before the server listens: what does not work by
	// then goes on beside it.
	firstTry = 5 * time.Second
	// retryFirst and retryMost bound the growing wait after a failure.
	retryFirst, retryMost = 500 * time.Millisecond, 30 * time.Second
	// races is how often a write that another replica was ahead of is repeated at
	// once.
	races = 5
)

// RunOnce issues the first certificate, before the server listens.
func (c *Certificate) RunOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstTry)
	defer cancel()
	_, err := c.attempt(ctx)
	return err
}

// Run keeps Secret, registration and certificate in agreement until ctx ends: on
// every change of one of the two objects, and as time passes.
func (c *Certificate) Run(ctx context.Context) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName(CheckName))
	changed := make(chan struct{}, 1)
	c.watch(ctx, changed)

	timer := c.clock.NewTimer(0)
	defer timer.Stop()
	retry := retryFirst
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C():
		}
		again, err := c.attempt(ctx)
		if err == nil {
			retry = retryFirst
		} else if ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Cannot keep the serving certificate right", "retryIn", retry)
			again = retry
			retry = min(2*retry, retryMost)
		}
		timer.Reset(again)
	}
}

// attempt syncs, again at once where another replica was faster.
func (c *Certificate) attempt(ctx context.Context) (again time.Duration, err error) {
	for range races {
		again, err = c.sync(ctx)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			break
		}
	}
	return again, err
}

// watch tells of changes of the Secret and of the registration.
func (c *Certificate) watch(ctx context.Context, changed chan<- struct{}) {
	tell := func() {
		select {
		case changed <- struct{}{}:
		default: // told already
		}
	}
	secrets := c.config.Client.CoreV1().Secrets(c.config.Namespace)
	WatchOne(ctx, &corev1.Secret{}, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return secrets.List(ctx, Named(c.config.Secret, o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return secrets.Watch(ctx, Named(c.config.Secret, o))
		},
	}, tell)
	c.config.Registration.Watch(ctx, tell)
}

// WatchOne calls changed when what list tells of changes, until ctx ends.
func WatchOne(ctx context.Context, object runtime.Object, list *cache.ListWatch, changed func()) {
	informer := cache.NewSharedIndexInformer(list, object, 0, nil)
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}); err != nil {
		// Only an informer that has been stopped refuses a handler.
		klog.FromContext(ctx).Error(err, "Cannot watch", "kind", fmt.Sprintf("%T", object))
	}
	go informer.RunWithContext(ctx)
}

// Named restricts a list or watch to one object, as roles do.
func Named(name string, options metav1.ListOptions) metav1.ListOptions {
	options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	return options
}
