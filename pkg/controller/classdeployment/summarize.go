// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/planner"
	"oaas.io/oaas/pkg/wording"
)

// Reasons of the conditions of a ClassDeployment, beside the planner's problem
// types, which are the reasons of a False Planned.
const (
	// ReasonPlanned: every environment has its place.
	ReasonPlanned = "Planned"
	// ReasonTerminating: the deployment is being deleted.
	ReasonTerminating = "Terminating"
	// ReasonNotPlanned: there is nothing to send or to watch.
	ReasonNotPlanned = "NotPlanned"
	// ReasonAccepted: every cluster has accepted its unit.
	ReasonAccepted = "Accepted"
	// ReasonDispatching: a unit is on its way to its cluster.
	ReasonDispatching = "Dispatching"
	// ReasonClusterUnreachable: a cluster does not answer.
	ReasonClusterUnreachable = "ClusterUnreachable"
	// ReasonUnitRefused: a cluster has refused its unit.
	ReasonUnitRefused = "UnitRefused"
	// ReasonQuotaExceeded: a cluster has no room for its unit.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonAccessDenied: a cluster does not accept the Package Manager's identity.
	ReasonAccessDenied = "AccessDenied"
	// ReasonUnitsAvailable: every unit serves.
	ReasonUnitsAvailable = "UnitsAvailable"
	// ReasonUnitsUnavailable: a unit does not serve.
	ReasonUnitsUnavailable = "UnitsUnavailable"
	// ReasonRollingOut: a unit changes.
	ReasonRollingOut = "RollingOut"
	// ReasonRemoving: a unit is being removed.
	ReasonRemoving = "Removing"
	// ReasonSettled: no unit changes.
	ReasonSettled = "Settled"
	// ReasonUnitsDegraded: something that a unit needs fails.
	ReasonUnitsDegraded = "UnitsDegraded"
	// ReasonUnitsHealthy: nothing that the units need fails.
	ReasonUnitsHealthy = "UnitsHealthy"
	// ReasonTargetMet: the chosen clusters reach the required availability.
	ReasonTargetMet = "TargetMet"
	// ReasonTargetMissed: they do not.
	ReasonTargetMissed = "TargetMissed"
	// ReasonAvailabilityUnknown: a cluster's availability is not known yet.
	ReasonAvailabilityUnknown = "AvailabilityUnknown"
)

// summary computes conditions from the units.
type summary struct {
	deployment *pmv1alpha1.ClassDeployment
	plan       planner.Plan
	planned    []unitView
	leaving    []unitView
	status     *pmv1alpha1.ClassDeploymentStatus
	now        metav1.Time
}

// summarize writes conditions, phase and everything else that follows from the
// plan and the units.
func summarize(deployment *pmv1alpha1.ClassDeployment, plan planner.Plan, views []unitView, status *pmv1alpha1.ClassDeploymentStatus, now time.Time) {
	s := summary{deployment: deployment, plan: plan, status: status, now: metav1.NewTime(now.Truncate(time.Second))}
	for _, view := range views {
		if view.Planned {
			s.planned = append(s.planned, view)
		} else {
			s.leaving = append(s.leaving, view)
		}
	}
	status.ObservedGeneration = deployment.Generation
	status.Replicas, status.ReadyReplicas = 0, 0
	for _, view := range views {
		status.Replicas += view.replicas
		status.ReadyReplicas += view.readyReplicas
	}
	if deployment.DeletionTimestamp != nil {
		s.terminating()
		return
	}
	status.PackageGeneration = plan.PackageGeneration
	// A plan has at least one copy, though it may have no replica. Without any, the
	// requirements could not be read.
	if plan.Requirements.ReplicationFactor > 0 {
		status.Requirements = new(plan.Requirements)
	} else {
		status.Requirements = nil
	}
	status.AchievedAvailability = plan.Availability.Achieved
	s.plannedCondition()
	s.dispatchedCondition()
	s.availableCondition()
	s.progressingCondition()
	s.degradedCondition()
	s.availabilityCondition()
	status.Phase = s.phase()
}

func (s *summary) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.status.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: wording.Cut(message, wording.MessageRoom),
		ObservedGeneration: s.deployment.Generation, LastTransitionTime: s.now,
	})
}

func (s *summary) terminating() {
	s.status.Phase = pmv1alpha1.ClassDeploymentTerminating
	s.set(pmv1alpha1.ClassDeploymentPlanned, metav1.ConditionFalse, ReasonTerminating, "the deployment is being deleted")
	s.set(pmv1alpha1.ClassDeploymentAvailable, metav1.ConditionFalse, ReasonTerminating, "the deployment is being deleted")
	s.set(pmv1alpha1.ClassDeploymentDegradedCondition, metav1.ConditionFalse, ReasonTerminating, "the deployment is being deleted")
	s.progressingCondition()
	if silent := messages(s.leaving, func(v unitView) string { return v.seen.silence }); silent != "" {
		s.set(pmv1alpha1.ClassDeploymentDispatched, metav1.ConditionFalse, ReasonClusterUnreachable, silent)
		return
	}
	s.set(pmv1alpha1.ClassDeploymentDispatched, metav1.ConditionFalse, ReasonTerminating, "the deployment is being deleted")
}

func (s *summary) plannedCondition() {
	if len(s.plan.Problems) > 0 {
		s.set(pmv1alpha1.ClassDeploymentPlanned, metav1.ConditionFalse, string(s.plan.Problems[0].Type), s.plan.Problems.Message())
		return
	}
	s.set(pmv1alpha1.ClassDeploymentPlanned, metav1.ConditionTrue, ReasonPlanned, wording.Count(len(s.planned), "unit")+" planned")
}

func (s *summary) dispatchedCondition() {
	set := func(value metav1.ConditionStatus, reason, message string) {
		s.set(pmv1alpha1.ClassDeploymentDispatched, value, reason, message)
	}
	unreachable := slices.ContainsFunc(s.plan.Problems, func(p planner.Problem) bool { return p.Unreachable })
	refused, reason := s.refusals()
	silent := messages(s.planned, func(v unitView) string {
		if v.accepted() {
			return ""
		}
		return v.seen.silence
	})
	pending := messages(s.planned, func(v unitView) string {
		if v.accepted() {
			return ""
		}
		return fmt.Sprintf("cluster %s has not accepted %s yet", v.Cluster, v.DeploymentID)
	})
	switch {
	case refused != "":
		set(metav1.ConditionFalse, reason, refused)
	case silent != "":
		set(metav1.ConditionFalse, ReasonClusterUnreachable, silent)
	case unreachable:
		set(metav1.ConditionFalse, ReasonClusterUnreachable, s.plan.Problems.Message())
	case s.plan.Halted || len(s.planned) == 0:
		set(metav1.ConditionFalse, ReasonNotPlanned, "there is no plan to send: see condition Planned")
	case pending != "":
		set(metav1.ConditionFalse, ReasonDispatching, pending)
	default:
		set(metav1.ConditionTrue, ReasonAccepted, wording.Count(len(s.planned), "unit")+" accepted")
	}
}

// refusals joins what clusters answered instead of accepting their unit.
func (s *summary) refusals() (message, reason string) {
	message = messages(s.planned, func(v unitView) string {
		var failed *crmclient.Error
		if !errors.As(v.seen.outcome.err, &failed) || failed.Unreachable() {
			return ""
		}
		if reason == "" {
			reason = refusalReason(failed.Code)
		}
		return failed.Error()
	})
	return message, reason
}

func refusalReason(code codes.Code) string {
	switch code {
	case codes.ResourceExhausted:
		return ReasonQuotaExceeded
	case codes.Unauthenticated, codes.PermissionDenied:
		return ReasonAccessDenied
	default:
		return ReasonUnitRefused
	}
}

func (s *summary) availableCondition() {
	set := func(value metav1.ConditionStatus, reason, message string) {
		s.set(pmv1alpha1.ClassDeploymentAvailable, value, reason, message)
	}
	silent := messages(s.planned, func(v unitView) string { return v.seen.silence })
	missing := messages(s.planned, func(v unitView) string {
		if v.Available {
			return ""
		}
		return describe(v)
	})
	switch {
	case len(s.planned) == 0:
		set(metav1.ConditionFalse, ReasonNotPlanned, "no unit runs")
	case missing != "":
		set(metav1.ConditionFalse, ReasonUnitsUnavailable, missing)
	case s.missesPlaces():
		set(metav1.ConditionFalse, ReasonNotPlanned, s.plan.Problems.Message())
	case silent != "":
		set(metav1.ConditionUnknown, ReasonClusterUnreachable, silent)
	default:
		set(metav1.ConditionTrue, ReasonUnitsAvailable, wording.Count(len(s.planned), "unit")+" available")
	}
}

// missesPlaces is true when the plan lacks a unit.
func (s *summary) missesPlaces() bool {
	return !s.plan.Halted && len(s.plan.Problems) > 0
}

func (s *summary) progressingCondition() {
	changing := messages(s.planned, func(v unitView) string {
		if v.hash == "" || v.seen.settled(v.hash) || (v.seen.silence != "" && v.accepted()) {
			return ""
		}
		return describe(v)
	})
	removing := messages(s.leaving, func(v unitView) string {
		message := fmt.Sprintf("%s is being removed from cluster %s", v.DeploymentID, v.Cluster)
		switch {
		case v.staying:
			message = fmt.Sprintf("%s stays on cluster %s until environment %s is served elsewhere", v.DeploymentID, v.Cluster, v.Environment)
		case v.seen.silence != "":
			message += ": " + v.seen.silence
		case v.seen.outcome.err != nil:
			message += ": " + v.seen.outcome.err.Error()
		}
		return message
	})
	switch {
	case changing != "":
		s.set(pmv1alpha1.ClassDeploymentProgressing, metav1.ConditionTrue, ReasonRollingOut, changing)
	case removing != "":
		s.set(pmv1alpha1.ClassDeploymentProgressing, metav1.ConditionTrue, ReasonRemoving, removing)
	default:
		s.set(pmv1alpha1.ClassDeploymentProgressing, metav1.ConditionFalse, ReasonSettled, "no unit changes")
	}
}

func (s *summary) degradedCondition() {
	if degraded := messages(s.planned, func(v unitView) string {
		if !v.Degraded {
			return ""
		}
		return describe(v)
	}); degraded != "" {
		s.set(pmv1alpha1.ClassDeploymentDegradedCondition, metav1.ConditionTrue, ReasonUnitsDegraded, degraded)
		return
	}
	s.set(pmv1alpha1.ClassDeploymentDegradedCondition, metav1.ConditionFalse, ReasonUnitsHealthy, "no unit reports a failure")
}

func (s *summary) availabilityCondition() {
	availability := s.plan.Availability
	if availability.Required == "" {
		meta.RemoveStatusCondition(&s.status.Conditions, pmv1alpha1.ClassDeploymentAvailabilityTarget)
		return
	}
	reason := ReasonAvailabilityUnknown
	switch availability.Met {
	case metav1.ConditionTrue:
		reason = ReasonTargetMet
	case metav1.ConditionFalse:
		reason = ReasonTargetMissed
	case metav1.ConditionUnknown:
	}
	s.set(pmv1alpha1.ClassDeploymentAvailabilityTarget, availability.Met, reason, availability.Message)
}

func (s *summary) phase() pmv1alpha1.ClassDeploymentPhase {
	is := func(kind string) bool { return meta.IsStatusConditionTrue(s.status.Conditions, kind) }
	serving := slices.ContainsFunc(s.planned, func(v unitView) bool { return v.Available })
	waiting := slices.ContainsFunc(s.plan.Problems, func(p planner.Problem) bool { return p.Unreachable })
	_, refusal := s.refusals()
	settled := !is(pmv1alpha1.ClassDeploymentProgressing)
	troubled := len(s.plan.Problems) > 0 || refusal != "" || is(pmv1alpha1.ClassDeploymentDegradedCondition) ||
		slices.ContainsFunc(s.planned, func(v unitView) bool { return v.seen.silence != "" })
	switch {
	case serving && troubled:
		return pmv1alpha1.ClassDeploymentDegraded
	case is(pmv1alpha1.ClassDeploymentAvailable) && settled:
		return pmv1alpha1.ClassDeploymentRunning
	case len(s.planned) == 0 && waiting:
		return pmv1alpha1.ClassDeploymentPending
	case len(s.planned) == 0, refusal != "", settled && is(pmv1alpha1.ClassDeploymentDegradedCondition):
		return pmv1alpha1.ClassDeploymentFailed
	default:
		return pmv1alpha1.ClassDeploymentDeploying
	}
}

// messages joins what tell has to say about each unit, without repetitions, as far
// as a condition has room.
func messages(views []unitView, tell func(unitView) string) string {
	var told []string
	length := 0
	for _, view := range views {
		if message := tell(view); message != "" && !slices.Contains(told, message) {
			told = append(told, message)
			length += len(message)
		}
		if length > wording.MessageRoom {
			break
		}
	}
	return strings.Join(told, "; ")
}

func describe(v unitView) string {
	text := fmt.Sprintf("%s on cluster %s is %s", v.DeploymentID, v.Cluster, v.Condition)
	if v.Phase != "" && v.Condition != unitUnreachable && v.Phase != "Ready" {
		text += " (" + v.Phase + ")"
	}
	if v.Message != "" {
		text += ": " + v.Message
	}
	return text
}

// countReplicas sums up what a unit reports of its functions.
func countReplicas(functions []pmv1alpha1.FunctionStatus) (wanted, ready int32) {
	for _, function := range functions {
		wanted += function.Replicas
		ready += function.ReadyReplicas
	}
	return wanted, ready
}
