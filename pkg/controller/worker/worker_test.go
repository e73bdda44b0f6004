// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"oaas.io/oaas/pkg/controller/worker"
)

// attempts runs the loop for one key until it was reconciled a third time, with
// the result of each attempt given by its number.
func attempts(t *testing.T, result func(attempt int32) (time.Duration, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var count atomic.Int32
	queue := worker.NewQueue[string]("test")
	queue.Add("key")
	worker.Run(ctx, queue, 2, func(context.Context, string) (time.Duration, error) {
		attempt := count.Add(1)
		if attempt == 3 {
			cancel()
		}
		return result(attempt)
	})
	if count.Load() < 3 {
		t.Errorf("reconciled %d times, want 3", count.Load())
	}
}

func TestAKeyIsReconciledAgain(t *testing.T) {
	for name, result := range map[string]func(int32) (time.Duration, error){
		"after an error":             func(int32) (time.Duration, error) { return 0, errors.New("failed") },
		"after the time it asks for": func(int32) (time.Duration, error) { return time.Millisecond, nil },
		"after a panic":              func(int32) (time.Duration, error) { panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) { attempts(t, result) })
	}
}

func TestRunWaitsForTheReconcileUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var finished atomic.Bool
	queue := worker.NewQueue[string]("test")
	queue.Add("key")
	worker.Run(ctx, queue, 1, func(ctx context.Context, _ string) (time.Duration, error) {
		cancel()
		<-ctx.Done()
		finished.Store(true)
		return 0, nil
	})
	if !finished.Load() {
		t.Error("the loop ended before its reconcile did")
	}
}
