// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package setup has what the controllers of the Class Runtime Manager are set up
// alike with: how they name things in logs, and how long they wait before they try
// again.
package setup

import (
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// firstRetry and lastRetry bound the exponential backoff of one object.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
)

// Options are those of the controller name, which logs what it works on under the
// keys and values that describe returns.
func Options(mgr manager.Manager, name string, describe func(reconcile.Request) []any) controller.Options {
	return controller.Options{
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		// Names are for metrics; tests run several managers in one process.
		SkipNameValidation: new(true),
		LogConstructor: func(request *reconcile.Request) logr.Logger {
			log := mgr.GetLogger().WithName(name)
			if request != nil {
				log = log.WithValues(describe(*request)...)
			}
			return log
		},
	}
}

// Named describes objects by their name alone.
func Named(key string) func(reconcile.Request) []any {
	return func(request reconcile.Request) []any { return []any{key, request.Name} }
}
