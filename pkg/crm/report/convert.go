// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report tells the Package Manager how the records of this cluster are
// doing. It reads the records from the cache and never holds up what works on
// them; what could not be sent is sent with the next report.
package report

import (
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

const (
	// messageLimit is the longest message that the Package Manager takes, in
	// characters.
	messageLimit = 1024
	// functionLimit is the number of functions that it takes for one unit. All count
	// for the total.
	functionLimit = 500
)

// reported tells whether the Package Manager knows about a record. One that was
// made by hand belongs to no class deployment.
func reported(record *v1alpha1.DeploymentRecord) bool {
	unit := record.Spec.DeploymentUnit
	return unit.ClassDeployment != "" && unit.Namespace != "" && record.DeletionTimestamp == nil
}

func unitOf(record *v1alpha1.DeploymentRecord) *packagev1.Unit {
	unit := record.Spec.DeploymentUnit
	return &packagev1.Unit{Namespace: unit.Namespace, DeploymentId: unit.ID, ClassDeployment: unit.ClassDeployment}
}

// statusOf is how a record is doing.
func statusOf(record *v1alpha1.DeploymentRecord, at time.Time) *packagev1.UnitStatus {
	return &packagev1.UnitStatus{
		Unit: unitOf(record), Health: healthOf(record.Status.Conditions),
		Condition: string(record.Status.Condition), Phase: string(record.Status.Phase), Message: printable(record.Status.Message),
		ObservedAt: timestamppb.New(at),
	}
}

// healthOf sums the conditions up. What was not observed yet is not known.
func healthOf(conditions []metav1.Condition) packagev1.RuntimeHealth {
	available := meta.FindStatusCondition(conditions, v1alpha1.ConditionAvailable)
	switch {
	case available == nil || available.Status == metav1.ConditionUnknown:
		return packagev1.RuntimeHealth_RUNTIME_HEALTH_UNSPECIFIED
	case available.Status == metav1.ConditionFalse:
		return packagev1.RuntimeHealth_RUNTIME_HEALTH_UNHEALTHY
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionDegraded):
		return packagev1.RuntimeHealth_RUNTIME_HEALTH_DEGRADED
	default:
		return packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY
	}
}

// metricsOf counts the replicas of a record. What nobody measures stays absent.
func metricsOf(record *v1alpha1.DeploymentRecord, at time.Time) *packagev1.UnitMetrics {
	metrics := &packagev1.UnitMetrics{Unit: unitOf(record), Total: &packagev1.Metrics{}, ObservedAt: timestamppb.New(at)}
	for i := range record.Status.FunctionContainerStatus {
		function := &record.Status.FunctionContainerStatus[i]
		metrics.Total.Replicas += function.Replicas
		metrics.Total.ReadyReplicas += function.ReadyReplicas
		if i >= functionLimit {
			continue
		}
		metrics.Functions = append(metrics.Functions, &packagev1.FunctionMetrics{
			FunctionKey: function.FunctionKey,
			Metrics:     &packagev1.Metrics{Replicas: function.Replicas, ReadyReplicas: function.ReadyReplicas},
		})
	}
	return metrics
}

// printable is a text without control characters, which the Package Manager would
// refuse, cut to what it takes.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > messageLimit {
		return string(runes[:messageLimit-1]) + "…"
	}
	return text
}
