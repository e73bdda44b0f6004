// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environmentconfig

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
)

// Reasons of the condition v1alpha1.EnvironmentReady.
const (
	// ReasonUsable tells that the configuration can be used as it stands.
	ReasonUsable = "Usable"
	// ReasonInvalid tells that parts of the configuration cannot be used.
	ReasonInvalid = "Invalid"
)

// statusOf is the status of a configuration with a balance.
func statusOf(config *v1alpha1.EnvironmentConfig, balance quota.Balance, now time.Time) v1alpha1.EnvironmentConfigStatus {
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
	}
	meta.SetStatusCondition(&status.Conditions, ready)
	return status
}
