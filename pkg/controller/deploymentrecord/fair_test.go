// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func requestIn(namespace string, n int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}}
}

func TestNamespacesTakeTurns(t *testing.T) {
	q := newFairQueue("fair", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	for n := range 100 {
		// Asking twice takes no turn.
		q.Add(requestIn("crowded", n))
		q.Add(requestIn("crowded", n))
	}
	get := func() string {
		item, _ := q.Get()
		q.Done(item)
		return item.Namespace
	}
	for range 10 {
		get()
	}
	// What comes late is served soon.
	for n := range 3 {
		q.Add(requestIn("small", n))
	}
	served := 0
	for range 10 {
		if get() == "small" {
			served++
		}
	}
	if served != 3 {
		t.Errorf("%d of 3 items of the small namespace were among the next ten, want all", served)
	}
	// And the crowded one is not forgotten over it.
	for range 80 {
		if got := get(); got != "crowded" {
			t.Fatalf("got an item of %q", got)
		}
	}
	if left := q.Len(); left != 3 {
		t.Errorf("%d items are left, want 3", left)
	}
}
