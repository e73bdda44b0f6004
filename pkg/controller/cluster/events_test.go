// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestTransitions(t *testing.T) {
	state := func(health pmv1alpha1.ClusterHealth, ready metav1.ConditionStatus, reason string, breaker pmv1alpha1.CircuitBreakerState) pmv1alpha1.ClusterStatus {
		return pmv1alpha1.ClusterStatus{
			Health: health, CircuitBreaker: &pmv1alpha1.CircuitBreakerStatus{State: breaker},
			Conditions: []metav1.Condition{{Type: pmv1alpha1.ClusterReady, Status: ready, Reason: reason}},
		}
	}
	healthy := state(pmv1alpha1.ClusterHealthy, "True", ReasonAnswering, pmv1alpha1.CircuitClosed)
	degraded := state(pmv1alpha1.ClusterDegraded, "True", ReasonAnswering, pmv1alpha1.CircuitClosed)
	failing := state(pmv1alpha1.ClusterUnhealthy, "False", ReasonUnreachable, pmv1alpha1.CircuitClosed)
	open := state(pmv1alpha1.ClusterUnhealthy, "False", ReasonUnreachable, pmv1alpha1.CircuitOpen)
	trying := state(pmv1alpha1.ClusterUnhealthy, "False", ReasonUnreachable, pmv1alpha1.CircuitHalfOpen)
	units := func(status metav1.ConditionStatus, reason string) pmv1alpha1.ClusterStatus {
		with := *healthy.DeepCopy()
		with.Conditions = append(with.Conditions, metav1.Condition{Type: pmv1alpha1.ClusterUnitsOwned, Status: status, Reason: reason})
		return with
	}
	owned, unowned := units("True", ReasonOwned), units("False", ReasonUnitsUnowned)
	for name, test := range map[string]struct {
		before, after pmv1alpha1.ClusterStatus
		want          string
	}{
		"a cluster that is heard of":              {after: healthy, want: "Normal Answering"},
		"nothing new":                             {before: healthy, after: healthy},
		"a cluster that gets worse":               {before: healthy, after: degraded, want: "Warning HealthChanged"},
		"a cluster that gets better":              {before: degraded, after: healthy, want: "Normal HealthChanged"},
		"a cluster that does not answer":          {before: healthy, after: failing, want: "Warning Unreachable"},
		"a breaker that opens later":              {before: failing, after: open, want: "Warning CircuitBreakerOpened"},
		"a breaker that opens at once":            {before: healthy, after: open, want: "Warning Unreachable, Warning CircuitBreakerOpened"},
		"a breaker that lets a call through":      {before: open, after: trying},
		"a breaker that opens after such a call":  {before: trying, after: open},
		"units that all have an owner":            {before: healthy, after: owned},
		"a unit that has no owner":                {before: owned, after: unowned, want: "Warning UnitsUnowned"},
		"a unit that has no owner from the start": {before: healthy, after: unowned, want: "Warning UnitsUnowned"},
		"a unit that still has no owner":          {before: unowned, after: unowned},
		"a unit that was taken over":              {before: unowned, after: owned, want: "Normal Owned"},
		"a cluster that is back closes the break": {before: trying, after: healthy, want: "Normal Answering, Normal CircuitBreakerClosed"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, change := range transitions(test.before, test.after) {
				got = append(got, change.kind+" "+change.reason)
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("transitions are %q, want %q", got, test.want)
			}
		})
	}
}
