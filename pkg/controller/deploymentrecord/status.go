// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// Reasons of a record's conditions. Where a pod is the cause, its own reason, such
// as CrashLoopBackOff, stands in their place.
const (
	// ReasonServing: every function has the replicas that it needs.
	ReasonServing = "Serving"
	// ReasonNoWorkloads: no function of the record has a workload.
	ReasonNoWorkloads = "NoWorkloads"
	// ReasonStarting: replicas are missing and on their way.
	ReasonStarting = "Starting"
	// ReasonRollingOut: children change.
	ReasonRollingOut = "RollingOut"
	// ReasonComplete: all children are as they should be.
	ReasonComplete = "Complete"
	// ReasonAsExpected: nothing fails.
	ReasonAsExpected = "AsExpected"
	// ReasonConflict: somebody else's object has a name that the record needs.
	ReasonConflict = "Conflict"
	// ReasonRenderFailed: the record cannot be turned into objects.
	ReasonRenderFailed = "RenderFailed"
	// ReasonApplyFailed: the API server refused a child.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonRolloutFailed: a workload did not get ready in time.
	ReasonRolloutFailed = "RolloutFailed"
	// ReasonUnknown: something fails and gave no reason that can be shown.
	ReasonUnknown = "Unknown"
	// ReasonTerminating: the record is being removed.
	ReasonTerminating = "Terminating"
)

// messageLimit is the room for a condition's message, in bytes.
const messageLimit = 1024

// observation is all that a pass saw of a record.
type observation struct {
	// rendering is nil when renderErr is set, and in a removal.
	rendering *render.Rendering
	renderErr error
	// children are in the order of rendering.Objects; fewer when a pass broke off.
	children []child
	// troubles of pods, keyed by the function's label.
	troubles map[string]trouble
	// complete passes did everything that the generation asks for.
	complete bool
	removing bool
}

// verdict is one condition in the making.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

// computeStatus turns what was seen into a status. It is the only place that does.
func computeStatus(record *v1alpha1.DeploymentRecord, seen *observation, now time.Time) v1alpha1.DeploymentRecordStatus {
	status := *record.Status.DeepCopy()
	if seen.removing {
		setConditions(&status, record.Generation, now, map[string]verdict{
			v1alpha1.ConditionAvailable:   {metav1.ConditionFalse, ReasonTerminating, "The record is being removed."},
			v1alpha1.ConditionProgressing: {metav1.ConditionTrue, ReasonTerminating, "Waiting until everything made for the record is gone."},
		})
		status.Condition, status.Message = v1alpha1.RecordTerminated, "being removed"
		return status
	}
	if seen.complete {
		status.ObservedGeneration = record.Generation
	}
	if seen.renderErr != nil {
		// The pass is complete in that no other pass would get further.
		status.ObservedGeneration = record.Generation
		failed := verdict{metav1.ConditionTrue, ReasonRenderFailed, seen.renderErr.Error()}
		conditions := map[string]verdict{
			v1alpha1.ConditionDegraded:    failed,
			v1alpha1.ConditionProgressing: {metav1.ConditionFalse, ReasonRenderFailed, failed.message},
		}
		if len(status.ResourceRefs) == 0 {
			conditions[v1alpha1.ConditionAvailable] = verdict{metav1.ConditionFalse, ReasonRenderFailed, failed.message}
		}
		setConditions(&status, record.Generation, now, conditions)
		status.Condition, status.Phase, status.Message = v1alpha1.RecordFailed, v1alpha1.PhaseTemplateSelection, failed.message
		return status
	}
	if seen.rendering == nil || len(seen.children) < len(seen.rendering.Objects) {
		// Broken off before anything could be seen; the error is retried.
		if status.Condition == "" {
			status.Condition, status.Phase = v1alpha1.RecordPending, v1alpha1.PhaseResourceProvisioning
		}
		return status
	}

	status.SelectedTemplate = seen.rendering.Template
	status.ResourceRefs = nil
	for _, c := range seen.children {
		if c.live != nil {
			status.ResourceRefs = append(status.ResourceRefs, v1alpha1.ResourceReference{
				APIVersion: c.live.GetAPIVersion(), Kind: c.live.GetKind(), Name: c.live.GetName(), UID: string(c.live.GetUID()),
			})
		}
	}
	workloads := workloadsOf(seen)
	status.FunctionContainerStatus = nil
	for _, w := range workloads {
		status.FunctionContainerStatus = append(status.FunctionContainerStatus, v1alpha1.FunctionContainerStatus{
			FunctionKey: w.function.Key, Workload: w.function.Name, URL: w.function.URL,
			Replicas: w.function.Replicas, ReadyReplicas: w.ready, Message: w.message(),
		})
	}

	degraded := degradedOf(seen, workloads)
	progressing := progressingOf(workloads, degraded)
	available := availableOf(workloads, degraded)
	setConditions(&status, record.Generation, now, map[string]verdict{
		v1alpha1.ConditionAvailable:   available,
		v1alpha1.ConditionProgressing: progressing,
		v1alpha1.ConditionDegraded:    degraded,
	})
	status.Condition = conditionOf(available, progressing, degraded, workloads)
	status.Phase = phaseOf(seen, available, progressing, workloads)
	status.Message = summaryOf(available, progressing, degraded)
	return status
}

func degradedOf(seen *observation, workloads []workload) verdict {
	var conflicts, failures []string
	for _, c := range seen.children {
		switch {
		case errors.Is(c.problem, errForeign):
			conflicts = append(conflicts, c.problem.Error())
		case c.problem != nil:
			failures = append(failures, c.problem.Error())
		}
	}
	switch {
	case len(conflicts) > 0:
		return verdict{metav1.ConditionTrue, ReasonConflict, strings.Join(conflicts, "; ")}
	case len(failures) > 0:
		return verdict{metav1.ConditionTrue, ReasonApplyFailed, strings.Join(failures, "; ")}
	}
	for _, w := range workloads {
		if w.trouble != nil {
			return verdict{metav1.ConditionTrue, w.trouble.reason, fmt.Sprintf("function %s: %s", w.function.Key, w.trouble.message)}
		}
	}
	return verdict{metav1.ConditionFalse, ReasonAsExpected, "Nothing fails."}
}

// availableOf says whether every function serves. A new revision that fails while
// the old one still serves makes the record degraded, not unavailable.
func availableOf(workloads []workload, degraded verdict) verdict {
	if degraded.reason == ReasonConflict {
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	}
	if len(workloads) == 0 {
		return verdict{metav1.ConditionTrue, ReasonNoWorkloads, "No function has a workload."}
	}
	var missing []string
	for _, w := range workloads {
		if !w.available {
			missing = append(missing, w.function.Key)
		}
	}
	switch {
	case len(missing) == 0:
		return verdict{metav1.ConditionTrue, ReasonServing, "Every function serves."}
	case degraded.status == metav1.ConditionTrue:
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	default:
		return verdict{metav1.ConditionFalse, ReasonStarting, "Waiting for replicas of " + strings.Join(missing, ", ") + "."}
	}
}

func progressingOf(workloads []workload, degraded verdict) verdict {
	if degraded.reason == ReasonConflict || slices.ContainsFunc(workloads, func(w workload) bool { return w.failed }) {
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	}
	var changing []string
	for _, w := range workloads {
		if !w.settled {
			changing = append(changing, w.function.Key)
		}
	}
	if len(changing) > 0 {
		return verdict{metav1.ConditionTrue, ReasonRollingOut, "Rolling out " + strings.Join(changing, ", ") + "."}
	}
	return verdict{metav1.ConditionFalse, ReasonComplete, "Nothing is left to do."}
}

func conditionOf(available, progressing, degraded verdict, workloads []workload) v1alpha1.RecordCondition {
	serves := available.status == metav1.ConditionTrue
	switch {
	case !serves && degraded.status == metav1.ConditionTrue:
		return v1alpha1.RecordFailed
	case !serves:
		return v1alpha1.RecordProvisioning
	case progressing.status != metav1.ConditionTrue:
		return v1alpha1.RecordRunning
	case slices.ContainsFunc(workloads, func(w workload) bool { return !w.settled && !w.scaling }):
		return v1alpha1.RecordProvisioning
	default:
		return v1alpha1.RecordScaling
	}
}

func phaseOf(seen *observation, available, progressing verdict, workloads []workload) v1alpha1.RecordPhase {
	switch {
	case slices.ContainsFunc(seen.children, func(c child) bool { return c.live == nil || c.problem != nil }):
		return v1alpha1.PhaseResourceProvisioning
	case available.status == metav1.ConditionTrue && progressing.status == metav1.ConditionFalse:
		return v1alpha1.PhaseReady
	case slices.ContainsFunc(workloads, func(w workload) bool {
		return w.created < w.function.Replicas || (w.trouble != nil && w.trouble.reason == corev1.PodReasonUnschedulable)
	}):
		return v1alpha1.PhasePodScheduling
	default:
		return v1alpha1.PhaseHealthChecking
	}
}

// summaryOf is the most pressing of the three messages.
func summaryOf(available, progressing, degraded verdict) string {
	switch {
	case degraded.status == metav1.ConditionTrue:
		return limit(degraded.reason + ": " + degraded.message)
	case available.status != metav1.ConditionTrue:
		return limit(available.message)
	case progressing.status == metav1.ConditionTrue:
		return limit(progressing.message)
	default:
		return limit(available.message)
	}
}

// setConditions keeps the time of a condition whose status stays the same.
func setConditions(status *v1alpha1.DeploymentRecordStatus, generation int64, now time.Time, verdicts map[string]verdict) {
	for _, kind := range []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded} {
		v, ok := verdicts[kind]
		if !ok {
			continue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: v.status, Reason: reasonOf(v.reason), Message: limit(v.message),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
}

// reasonOf makes a reason of a pod fit for a condition: the kubelet says
// OutOfnvidia.com/gpu, and the API server would refuse the whole status for it.
func reasonOf(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		default:
			return '_'
		}
	}, text)
	if clean = strings.TrimLeft(clean, "_0123456789"); clean == "" {
		return ReasonUnknown
	}
	return clean[:min(len(clean), messageLimit)]
}

func limit(message string) string {
	if len(message) <= messageLimit {
		return message
	}
	return strings.ToValidUTF8(message[:messageLimit-len("…")], "") + "…"
}

// transition is a change worth an event.
type transition struct {
	condition string
	status    metav1.ConditionStatus
	eventType string
	reason    string
	message   string
}

// transitions lists the conditions that began or ceased to hold, as far as people
// want to know: progress is the rule and would make most of the events. A condition
// that was not there before and is False is no news.
func transitions(before, after []metav1.Condition) []transition {
	var changes []transition
	for _, condition := range after {
		previous := meta.FindStatusCondition(before, condition.Type)
		if condition.Type == v1alpha1.ConditionProgressing || (previous == nil && condition.Status == metav1.ConditionFalse) || (previous != nil && previous.Status == condition.Status) {
			continue
		}
		bad := (condition.Type == v1alpha1.ConditionDegraded) == (condition.Status == metav1.ConditionTrue) &&
			condition.Reason != ReasonTerminating
		eventType := corev1.EventTypeNormal
		if bad {
			eventType = corev1.EventTypeWarning
		}
		changes = append(changes, transition{condition.Type, condition.Status, eventType, condition.Reason, condition.Message})
	}
	return changes
}
