// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

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
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
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
func (c *Certificate) Run(ctx context.Context, _ int) {
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

// watch tells of changes of the two objects.
func (c *Certificate) watch(ctx context.Context, changed chan<- struct{}) {
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // told already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: tell, UpdateFunc: func(_, changed any) { tell(changed) }, DeleteFunc: tell,
	}
	secrets := c.config.Client.CoreV1().Secrets(c.config.Namespace)
	lists := map[runtime.Object]*cache.ListWatch{
		&corev1.Secret{}: {
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return secrets.List(ctx, named(SecretName, o))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return secrets.Watch(ctx, named(SecretName, o))
			},
		},
		&apiregistrationv1.APIService{}: {
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return c.config.Registrations.List(ctx, named(c.config.APIService, o))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return c.config.Registrations.Watch(ctx, named(c.config.APIService, o))
			},
		},
	}
	for object, list := range lists {
		informer := cache.NewSharedIndexInformer(list, object, 0, nil)
		if _, err := informer.AddEventHandler(handler); err != nil {
			// Only an informer that has been stopped refuses a handler.
			klog.FromContext(ctx).Error(err, "Cannot watch", "kind", fmt.Sprintf("%T", object))
		}
		go informer.RunWithContext(ctx)
	}
}

// named restricts a list or watch to one object, as the role of the server does.
func named(name string, options metav1.ListOptions) metav1.ListOptions {
	options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	return options
}
