// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"slices"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestStatusFollowsTheSpecAndTheDeployments(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	pkg := &pmv1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	pkg.Status = nextStatus(pkg, []string{"b", "a"}, now)
	if ready := meta.FindStatusCondition(pkg.Status.Conditions, pmv1alpha1.PackageReady); ready.Status != metav1.ConditionTrue || ready.Reason != ReasonValid {
		t.Errorf("Ready is %+v, want True", ready)
	}
	if !slices.Equal(pkg.Status.Deployments, []string{"a", "b"}) || pkg.Status.ObservedGeneration != 2 {
		t.Errorf("status is %+v, want deployments a and b of generation 2", pkg.Status)
	}
	if again := nextStatus(pkg, []string{"a", "b"}, now.Add(time.Hour)); !apiequality.Semantic.DeepEqual(pkg.Status, again) {
		t.Errorf("a second look changed the status from %+v to %+v", pkg.Status, again)
	}
	pkg.Spec.Disabled = true
	disabled := nextStatus(pkg, nil, now.Add(time.Hour))
	ready := meta.FindStatusCondition(disabled.Conditions, pmv1alpha1.PackageReady)
	if ready.Status != metav1.ConditionFalse || ready.Reason != ReasonDisabled || !ready.LastTransitionTime.Time.Equal(now.Add(time.Hour)) {
		t.Errorf("Ready is %+v, want False since the package was disabled", ready)
	}
}
