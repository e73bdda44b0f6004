// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymenttemplate

import (
	"context"
	"testing"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// A template that a record begins to use could be deleted until the finalizer is on
// it.
func TestOnlyAProtectedTemplateWaitsForMoreRecords(t *testing.T) {
	cases := map[string]struct {
		unprotected bool
		atOnce      int
	}{
		"the first record of a template": {unprotected: true, atOnce: 1},
		"one more record":                {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := templatesOfRecord{unprotected: func(context.Context, string) bool { return tc.unprotected }}
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			before, after := &v1alpha1.DeploymentRecord{}, &v1alpha1.DeploymentRecord{}
			after.Status.SelectedTemplate = "own"
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
			if got := q.Len(); got != tc.atOnce {
				t.Errorf("%d templates are looked at at once, want %d", got, tc.atOnce)
			}
		})
	}
}
