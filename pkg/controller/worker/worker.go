// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package worker runs the loop that controllers of the Package Manager share:
// keys from a queue, one reconcile of a key at a time, repeated with growing
// pauses while it fails.
package worker

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	// firstPause after a failure; it doubles with each failure in a row.
	firstPause = 20 * time.Millisecond
	// longestPause between two attempts.
	longestPause = time.Minute
)

// Reconcile brings one key to where it should be. It is called again after
// the given time when that is positive, and after a growing pause on an error.
type Reconcile[K comparable] func(ctx context.Context, key K) (time.Duration, error)

// NewQueue returns a queue whose name shows in the workqueue metrics.
func NewQueue[K comparable](name string) workqueue.TypedRateLimitingInterface[K] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstPause, longestPause),
		workqueue.TypedRateLimitingQueueConfig[K]{Name: name},
	)
}

// Run reconciles keys with the given number of workers until ctx ends, then
// returns once the last reconcile has.
func Run[K comparable](ctx context.Context, queue workqueue.TypedRateLimitingInterface[K], workers int, reconcile Reconcile[K]) {
	stop := context.AfterFunc(ctx, queue.ShutDown)
	defer stop()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for next(ctx, queue, reconcile) {
			}
		})
	}
	running.Wait()
}

func next[K comparable](ctx context.Context, queue workqueue.TypedRateLimitingInterface[K], reconcile Reconcile[K]) bool {
	key, shutdown := queue.Get()
	if shutdown || ctx.Err() != nil {
		return false
	}
	defer queue.Done(key)
	log := klog.FromContext(ctx).WithValues("key", key)
	after, err := guarded(klog.NewContext(ctx, log), key, reconcile)
	switch {
	case err != nil && ctx.Err() != nil:
		return false
	case apierrors.IsConflict(err):
		// Somebody else wrote first; the cache is about to catch up.
		log.V(2).Info("Trying again after a conflict")
		queue.AddRateLimited(key)
	case err != nil:
		log.Error(err, "Reconcile failed, trying again later")
		queue.AddRateLimited(key)
	default:
		queue.Forget(key)
		if after > 0 {
			queue.AddAfter(key, after)
		}
	}
	return true
}

// guarded turns a panic into an error, so that one object cannot take the
// Package Manager down for all others.
func guarded[K comparable](ctx context.Context, key K, reconcile Reconcile[K]) (after time.Duration, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
			klog.FromContext(ctx).Error(err, "Reconcile panicked", "stack", string(debug.Stack()))
		}
	}()
	return reconcile(ctx, key)
}
