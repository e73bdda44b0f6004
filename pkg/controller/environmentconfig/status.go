// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environmentconfig

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/wording"
)

// Reasons of the condition v1alpha1.EnvironmentReady.
const (
	// ReasonUsable tells that the configuration can be used as it stands.
	ReasonUsable = "Usable"
	// ReasonConflicting tells that the configuration names namespaces that an older one
	// names for other tenants: records of this environment do not run there.
	ReasonConflicting = "Conflicting"
	// ReasonInvalid tells that parts of the configuration cannot be used.
	ReasonInvalid = "Invalid"
)

// statusOf is the status of a configuration with a balance and conflicts with others.
func statusOf(config *v1alpha1.EnvironmentConfig, balance quota.Balance, conflicts []environment.Conflict, now time.Time) v1alpha1.EnvironmentConfigStatus {
	status := v1alpha1.EnvironmentConfigStatus{
		ObservedGeneration: config.Generation,
		Conditions:         slices.Clone(config.Status.Conditions),
		Used:               balance.Used,
		Reservations:       balance.Reservations,
	}
	ready := metav1.Condition{
		Type: v1alpha1.EnvironmentReady, Status: metav1.ConditionTrue, Reason: ReasonUsable,
		Message: "the configuration can be used as it stands", ObservedGeneration: config.Generation, LastTransitionTime: metav1.NewTime(now),
	}
	if problems := environment.Validate(config); len(problems) > 0 {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, ReasonInvalid, problems.ToAggregate().Error()
	} else if message := lost(conflicts); message != "" {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, ReasonConflicting, message
	}
	ready.Message = wording.Cut(ready.Message, wording.MessageRoom)
	meta.SetStatusCondition(&status.Conditions, ready)
	return status
}

// lost tells of the conflicts in which the other configuration has the namespace.
// The older one works as it says, and needs no attention.
func lost(conflicts []environment.Conflict) string {
	var messages []string
	for _, conflict := range conflicts {
		if conflict.Loses {
			messages = append(messages, conflict.String())
		}
	}
	return strings.Join(messages, "; ")
}

// transition tells whether a change of a condition is worth an event, and of which
// type. That all is well from the start is not.
func transition(was, is *metav1.Condition) (eventType string, worth bool) {
	switch {
	case is == nil, was != nil && was.Status == is.Status && was.Reason == is.Reason:
		return "", false
	case is.Status != metav1.ConditionTrue:
		return corev1.EventTypeWarning, true
	default:
		return corev1.EventTypeNormal, was != nil
	}
}
