// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environmentconfig

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/quota"
)

func TestStatusOf(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(2000, 0)
	balance := quota.Balance{Used: v1alpha1.UsedQuotas{Deployments: 3, Replicas: 7}}
	usable := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: "prod", Generation: 4}}
	observed := usable.DeepCopy()
	observed.Status = statusOf(usable, balance, then)
	wrong := observed.DeepCopy()
	wrong.Generation, wrong.Spec.Namespaces.Fixed = 5, "kube-system"

	tests := map[string]struct {
		config *v1alpha1.EnvironmentConfig
		ready  metav1.ConditionStatus
		reason string
		moved  time.Time
	}{
		"a configuration that is new can be used":              {usable, metav1.ConditionTrue, ReasonUsable, now},
		"what stays as it is does not move":                    {observed, metav1.ConditionTrue, ReasonUsable, then},
		"a configuration with a problem is not ready any more": {wrong, metav1.ConditionFalse, ReasonInvalid, now},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.config.DeepCopy()
			status := statusOf(tc.config, balance, now)
			if !equality.Semantic.DeepEqual(before, tc.config) {
				t.Error("what was observed was changed")
			}
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.EnvironmentReady)
			if ready == nil || ready.Status != tc.ready || ready.Reason != tc.reason || !ready.LastTransitionTime.Time.Equal(tc.moved) {
				t.Errorf("Ready is %+v, want %s since %v because of %s", ready, tc.ready, tc.moved, tc.reason)
			}
			if status.ObservedGeneration != tc.config.Generation || status.Used != balance.Used {
				t.Errorf("status is %+v, want generation %d and %+v", status, tc.config.Generation, balance.Used)
			}
		})
	}
	if again := statusOf(observed, balance, now); !equality.Semantic.DeepEqual(again, observed.Status) {
		t.Error("a status at rest would be written")
	}
}

func TestCountsElsewise(t *testing.T) {
	admitted := func(replicas int32) *v1alpha1.Admission {
		return &v1alpha1.Admission{Environment: "prod", Amount: v1alpha1.UsedQuotas{Replicas: replicas}}
	}
	before := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 1}}
	before.Status.Admitted = admitted(1)
	tests := map[string]struct {
		change func(*v1alpha1.DeploymentRecord)
		want   bool
	}{
		"a record that is let in with more": {func(r *v1alpha1.DeploymentRecord) { r.Status.Admitted = admitted(2) }, true},
		"another content, or a removal":     {func(r *v1alpha1.DeploymentRecord) { r.Generation = 2 }, true},
		"another record of the same name":   {func(r *v1alpha1.DeploymentRecord) { r.UID = "b" }, true},
		"children of a record without a note": {func(r *v1alpha1.DeploymentRecord) {
			r.Status.ResourceRefs = []v1alpha1.ResourceReference{{Kind: "Service"}}
		}, true},
		"nothing but how it is doing": {func(r *v1alpha1.DeploymentRecord) { r.Status.Message = "serving" }, false},
		"another label":               {func(r *v1alpha1.DeploymentRecord) { r.Labels = map[string]string{"a": "b"} }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			after := before.DeepCopy()
			tc.change(after)
			if got := countsElsewise(client.Object(before), client.Object(after)); got != tc.want {
				t.Errorf("counts elsewise: %v, want %v", got, tc.want)
			}
		})
	}
}
