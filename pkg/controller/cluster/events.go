// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Reasons of events that no condition has.
const (
	// ReasonHealthChanged: the cluster answers as before and reports another health.
	ReasonHealthChanged = "HealthChanged"
	// ReasonBreakerOpened: too many calls failed, and no more are made for a while.
	ReasonBreakerOpened = "CircuitBreakerOpened"
	// ReasonBreakerClosed: calls succeed again.
	ReasonBreakerClosed = "CircuitBreakerClosed"
)

// transition is one change of a cluster's state that an event is made of.
type transition struct {
	kind, reason, message string
}

// transitions are what changed between two states, each once.
func transitions(before, after pmv1alpha1.ClusterStatus) []transition {
	var changes []transition
	was := meta.FindStatusCondition(before.Conditions, pmv1alpha1.ClusterReady)
	is := meta.FindStatusCondition(after.Conditions, pmv1alpha1.ClusterReady)
	switch {
	case is == nil:
	case was == nil || was.Status != is.Status || was.Reason != is.Reason:
		changes = append(changes, transition{eventType(is.Status == metav1.ConditionTrue), is.Reason, is.Message})
	case before.Health != after.Health:
		changes = append(changes, transition{eventType(after.Health == pmv1alpha1.ClusterHealthy), ReasonHealthChanged,
			fmt.Sprintf("the cluster was %s and is %s: %s", before.Health, after.Health, is.Message)})
	}
	// That all units have owners is no news but after some had none.
	hadStrays := meta.IsStatusConditionFalse(before.Conditions, pmv1alpha1.ClusterUnitsOwned)
	if units := meta.FindStatusCondition(after.Conditions, pmv1alpha1.ClusterUnitsOwned); units != nil && (units.Status == metav1.ConditionFalse) != hadStrays {
		changes = append(changes, transition{eventType(hadStrays), units.Reason, units.Message})
	}
	// While it is open the breaker lets single calls through to find out, which is
	// no news.
	switch open := isOpen(after.CircuitBreaker); {
	case open == isOpen(before.CircuitBreaker):
	case open:
		changes = append(changes, transition{corev1.EventTypeWarning, ReasonBreakerOpened,
			fmt.Sprintf("%d calls in a row failed: no more are made until the cluster answers one", after.CircuitBreaker.Failures)})
	default:
		changes = append(changes, transition{corev1.EventTypeNormal, ReasonBreakerClosed, "the cluster answers calls again"})
	}
	return changes
}

func isOpen(breaker *pmv1alpha1.CircuitBreakerStatus) bool {
	return breaker != nil && breaker.State != pmv1alpha1.CircuitClosed && breaker.State != ""
}

func eventType(good bool) string {
	if good {
		return corev1.EventTypeNormal
	}
	return corev1.EventTypeWarning
}
