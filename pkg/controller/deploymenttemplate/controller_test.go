// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymenttemplate

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/rollout"
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

// everyKind is a cluster that serves whatever is asked for.
type everyKind struct{}

func (everyKind) Served(schema.GroupKind) bool { return true }

// TestABrokenTemplateIsNotSaidToBeRolledOut holds that the status of a template whose
// newest content is wrong speaks of that content, and counts what is there.
func TestABrokenTemplateIsNotSaidToBeRolledOut(t *testing.T) {
	r := &Reconciler{options: Options{Kinds: everyKind{}, BatchSize: 10, Clock: clocktesting.NewFakePassiveClock(time.Unix(1, 0))}}
	template := &v1alpha1.DeploymentTemplate{}
	template.Generation = 1
	template.Spec.Manifests = []v1alpha1.TemplateManifest{{
		Name: "m", Manifest: runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`)},
	}}
	r.observe(template, nil)
	records := []rollout.Record{
		{Key: "a/1", Hash: template.Status.Hash, Healthy: true}, {Key: "a/2", Hash: template.Status.Hash, Healthy: true},
	}
	r.observe(template, records)
	if !meta.IsStatusConditionTrue(template.Status.Conditions, v1alpha1.TemplateRolledOut) || template.Status.UpdatedRecords != 2 {
		t.Fatalf("status = %+v, want one that is rolled out to 2 records", template.Status)
	}

	template.Generation = 2
	template.Spec.Manifests[0].Manifest.Raw = []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${ nobody }"}}`)
	r.observe(template, records[:1])
	for kind, reason := range map[string]string{v1alpha1.TemplateValid: ReasonInvalid, v1alpha1.TemplateRolledOut: ReasonInvalid} {
		condition := meta.FindStatusCondition(template.Status.Conditions, kind)
		if condition.Status != metav1.ConditionFalse || condition.Reason != reason || condition.ObservedGeneration != 2 {
			t.Errorf("%s = %+v, want False with reason %s of generation 2", kind, condition, reason)
		}
	}
	if s := template.Status; s.Records != 1 || s.UpdatedRecords != 1 {
		t.Errorf("%d records, %d updated, want 1 and 1", s.Records, s.UpdatedRecords)
	}
}
