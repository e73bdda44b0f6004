// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environmentconfig

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
)

func TestStatusOf(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(2000, 0)
	balance := quota.Balance{Used: v1alpha1.UsedQuotas{Deployments: 3, Replicas: 7}}
	usable := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: "prod", Generation: 4}}
	observed := usable.DeepCopy()
	observed.Status = statusOf(usable, balance, nil, then)
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
			status := statusOf(tc.config, balance, nil, now)
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
	if again := statusOf(observed, balance, nil, now); !equality.Semantic.DeepEqual(again, observed.Status) {
		t.Error("a status at rest would be written")
	}
}

// TestConflicts holds that of two configurations that name a namespace for different
// tenants the younger one says so, with both names, and the older one works on.
func TestConflicts(t *testing.T) {
	now := time.Unix(2000, 0)
	configuration := func(name string, created int64, tenant string) v1alpha1.EnvironmentConfig {
		config := v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(created, 0)}}
		config.Spec.Namespaces.Tenants = map[string]string{tenant: "vault"}
		return config
	}
	all := []v1alpha1.EnvironmentConfig{configuration("young", 2, "shop"), configuration("old", 1, "bank")}
	readyOf := func(config *v1alpha1.EnvironmentConfig) *metav1.Condition {
		conflicts := environment.Resolve(config.Name, config, environment.Defaults{}).Tenancy().Conflicts(environment.Tenancies(all, environment.Defaults{}))
		return meta.FindStatusCondition(statusOf(config, quota.Balance{}, conflicts, now).Conditions, v1alpha1.EnvironmentReady)
	}
	if ready := readyOf(&all[1]); ready.Status != metav1.ConditionTrue {
		t.Errorf("the older one is %+v, want ready", ready)
	}
	want := `namespace "vault" is that of tenant "bank" in EnvironmentConfig "old", which is older, and of tenant "shop" in EnvironmentConfig "young": name another one in one of them`
	if ready := readyOf(&all[0]); ready.Status != metav1.ConditionFalse || ready.Reason != ReasonConflicting || ready.Message != want {
		t.Errorf("the younger one is %+v, want that it says %s", ready, want)
	}
}

func TestTransition(t *testing.T) {
	condition := func(status metav1.ConditionStatus, reason, message string) *metav1.Condition {
		return &metav1.Condition{Status: status, Reason: reason, Message: message}
	}
	usable, conflicting := condition(metav1.ConditionTrue, ReasonUsable, ""), condition(metav1.ConditionFalse, ReasonConflicting, "a")
	for name, tc := range map[string]struct {
		was, is *metav1.Condition
		want    string
	}{
		"well from the start is no news":          {nil, usable, ""},
		"wrong from the start is":                 {nil, conflicting, corev1.EventTypeWarning},
		"a conflict that appears":                 {usable, conflicting, corev1.EventTypeWarning},
		"the same in other words is no news":      {conflicting, condition(metav1.ConditionFalse, ReasonConflicting, "b"), ""},
		"wrong for another reason":                {conflicting, condition(metav1.ConditionFalse, ReasonInvalid, "c"), corev1.EventTypeWarning},
		"a conflict that is gone":                 {conflicting, usable, corev1.EventTypeNormal},
		"what stays as it is":                     {usable, usable, ""},
		"nothing is known yet and nothing to say": {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, worth := transition(tc.was, tc.is); worth != (tc.want != "") || (worth && got != tc.want) {
				t.Errorf("event %q (%v), want %q", got, worth, tc.want)
			}
		})
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
