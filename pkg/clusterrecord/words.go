// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clusterrecord puts what clusters tell of the units that they run into
// the words of the API. It decides nothing and asks nobody.
package clusterrecord

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// ConditionName is the condition in the words of the API, such as Provisioning;
// empty while not known.
func ConditionName(condition deploymentv1.RecordCondition) string {
	return camelCase(condition.String(), "RECORD_CONDITION_")
}

// PhaseName is the phase in the words of the API, such as PodScheduling; empty
// while not known.
func PhaseName(phase deploymentv1.RecordPhase) string {
	return camelCase(phase.String(), "RECORD_PHASE_")
}

func camelCase(enum, prefix string) string {
	words := strings.TrimPrefix(enum, prefix)
	if words == "UNSPECIFIED" {
		return ""
	}
	var name strings.Builder
	for word := range strings.SplitSeq(words, "_") {
		if word != "" {
			name.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return name.String()
}

// ConditionOf is the one word for a record: that of its cluster, or Terminated
// once its removal was asked for.
func ConditionOf(record *deploymentv1.DeploymentRecord) string {
	if record.GetDeletedAt() != nil {
		return ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_TERMINATED)
	}
	return ConditionName(record.GetStatus().GetCondition())
}

// ConditionTrue is true when the status has a condition of the type that is True.
func ConditionTrue(status *deploymentv1.DeploymentStatus, kind string) bool {
	for _, condition := range status.GetConditions() {
		if condition.GetType() == kind {
			return condition.GetStatus() == string(metav1.ConditionTrue)
		}
	}
	return false
}

// FunctionStatuses tell the readiness of each function; nil for none.
func FunctionStatuses(functions []*deploymentv1.FunctionStatus) []pmv1alpha1.FunctionStatus {
	if len(functions) == 0 {
		return nil
	}
	statuses := make([]pmv1alpha1.FunctionStatus, 0, len(functions))
	for _, function := range functions {
		statuses = append(statuses, pmv1alpha1.FunctionStatus{
			Key:           function.GetFunctionKey(),
			Replicas:      function.GetReplicas(),
			ReadyReplicas: function.GetReadyReplicas(),
			URL:           function.GetUrl(),
		})
	}
	return statuses
}
