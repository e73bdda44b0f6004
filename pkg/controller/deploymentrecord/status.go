// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/quota"
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
	// ReasonReplacing: children that are no longer wanted serve until their
	// successors do.
	ReasonReplacing = "Replacing"
	// ReasonRemoving: children that are no longer wanted are being removed.
	ReasonRemoving = "Removing"
	// ReasonRecreating: a child that cannot be changed as wanted is removed and made
	// anew.
	ReasonRecreating = "Recreating"
	// ReasonComplete: all children are as they should be.
	ReasonComplete = "Complete"
	// ReasonAsExpected: nothing fails.
	ReasonAsExpected = "AsExpected"
	// ReasonConflict: somebody else's object has a name that the record needs.
	ReasonConflict = "Conflict"
	// ReasonRenderFailed: the record cannot be turned into objects.
	ReasonRenderFailed = "RenderFailed"
	// ReasonKindNotServed: the cluster does not serve the kind of a child.
	ReasonKindNotServed = "KindNotServed"
	// ReasonImmutable: a child that holds user data would have to be made anew.
	ReasonImmutable = "ImmutableField"
	// ReasonNamespaceTerminating: the namespace is being removed and takes no new
	// objects.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonApplyFailed: the API server refused a child.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonRolloutFailed: a workload did not get ready in time.
	ReasonRolloutFailed = children.ReasonRolloutFailed
	// ReasonNotConfigured: the class has state and no data grid is configured.
	ReasonNotConfigured = "NotConfigured"
	// ReasonNotMeasured: nothing tells whether requirements are kept.
	ReasonNotMeasured = "NotMeasured"
	// ReasonUnknown: something fails and gave no reason that can be shown.
	ReasonUnknown = "Unknown"
	// ReasonRemovalFailed: something made for the record cannot be removed.
	ReasonRemovalFailed = "RemovalFailed"
	// ReasonTerminating: the record is being removed.
	ReasonTerminating = "Terminating"
)

// computeStatus turns what was seen into a status. It and announced are the only
// places that do.
func computeStatus(record *v1alpha1.DeploymentRecord, seen *observation, now time.Time) v1alpha1.DeploymentRecordStatus {
	status := *record.Status.DeepCopy()
	switch {
	case seen.removing:
		removalStatus(&status, record.Generation, seen, now)
		return status
	case seen.renderErr != nil:
		renderFailure(&status, record.Generation, seen, now)
		setCompliance(&status, record, now)
		return status
	case seen.broken != nil:
		setConditions(&status, record.Generation, now, map[string]verdict{
			v1alpha1.ConditionDegraded: {metav1.ConditionTrue, ReasonApplyFailed, seen.broken.Error()},
		})
		setCompliance(&status, record, now)
		status.Condition = cmp.Or(status.Condition, v1alpha1.RecordPending)
		status.Message = limit(seen.broken.Error())
		return status
	case seen.passing():
		// Not everything could be seen; the next pass will.
		status.ResourceRefs = seen.inventory
		return status
	}
	if seen.complete {
		status.ObservedGeneration = record.Generation
	}
	status.SelectedTemplate, status.TemplateHash = seen.rendering.Template, seen.rendering.TemplateHash
	status.Admitted = seen.rendering.Admission
	status.TemplateSelection = seen.rendering.Selection
	status.ResourceRefs = seen.inventory
	workloads := workloadsOf(seen)
	status.FunctionContainerStatus = nil
	for _, w := range workloads {
		status.FunctionContainerStatus = append(status.FunctionContainerStatus, v1alpha1.FunctionContainerStatus{
			FunctionKey: w.function.Key, Workload: w.name(), URL: w.url,
			Replicas: w.function.Replicas, ReadyReplicas: w.ready, Message: limitOfEach(w.message(), len(workloads)),
		})
	}
	degraded := degradedOf(seen, workloads)
	progressing := progressingOf(seen, workloads, degraded)
	available := availableOf(workloads, degraded)
	verdicts := map[string]verdict{
		v1alpha1.ConditionAvailable:   available,
		v1alpha1.ConditionProgressing: progressing,
		v1alpha1.ConditionDegraded:    degraded,
	}
	grid, gridVerdict := gridOf(seen, workloads)
	status.ODGMClusterStatus = grid
	if gridVerdict != nil {
		verdicts[v1alpha1.ConditionODGMReady] = *gridVerdict
	} else {
		dropCondition(&status, v1alpha1.ConditionODGMReady)
	}
	setConditions(&status, record.Generation, now, verdicts)
	setCompliance(&status, record, now)
	status.Condition = conditionOf(available, progressing, degraded, workloads)
	status.Phase = phaseOf(seen, available, progressing, workloads)
	status.Message = summaryOf(available, progressing, degraded)
	return status
}

// announced is the status of a record whose children are about to be made: it names
// them all.
func announced(record *v1alpha1.DeploymentRecord, p *pass, now time.Time) v1alpha1.DeploymentRecordStatus {
	status := *record.Status.DeepCopy()
	status.ResourceRefs = p.inventory
	status.SelectedTemplate, status.TemplateHash = p.rendering.Template, p.rendering.TemplateHash
	status.Admitted = p.rendering.Admission
	status.TemplateSelection = p.rendering.Selection
	message := "Making what the record asks for."
	verdicts := map[string]verdict{v1alpha1.ConditionProgressing: {metav1.ConditionTrue, ReasonRollingOut, message}}
	if len(record.Status.Conditions) == 0 {
		verdicts[v1alpha1.ConditionAvailable] = verdict{metav1.ConditionFalse, ReasonStarting, message}
		verdicts[v1alpha1.ConditionDegraded] = verdict{metav1.ConditionFalse, ReasonAsExpected, "Nothing fails."}
		status.Message = message
	}
	setConditions(&status, record.Generation, now, verdicts)
	setCompliance(&status, record, now)
	if status.Condition != v1alpha1.RecordFailed {
		status.Condition = v1alpha1.RecordProvisioning
	}
	status.Phase = v1alpha1.PhaseResourceProvisioning
	return status
}

func removalStatus(status *v1alpha1.DeploymentRecordStatus, generation int64, seen *observation, now time.Time) {
	waiting := "Waiting until everything made for the record is gone"
	if len(seen.parting) > 0 {
		waiting += ": " + strings.Join(seen.parting, ", ")
	}
	verdicts := map[string]verdict{
		v1alpha1.ConditionAvailable:   {metav1.ConditionFalse, ReasonTerminating, "The record is being removed."},
		v1alpha1.ConditionProgressing: {metav1.ConditionTrue, ReasonTerminating, waiting + "."},
	}
	status.Condition, status.Message = v1alpha1.RecordTerminated, "being removed"
	degraded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionDegraded)
	switch {
	case seen.broken != nil && !faultOf(seen.broken).passing:
		verdicts[v1alpha1.ConditionDegraded] = verdict{metav1.ConditionTrue, ReasonRemovalFailed, seen.broken.Error()}
		status.Message = limit("cannot be removed: " + seen.broken.Error())
	case seen.broken == nil && degraded != nil && degraded.Reason == ReasonRemovalFailed:
		verdicts[v1alpha1.ConditionDegraded] = verdict{metav1.ConditionFalse, ReasonAsExpected, "Nothing fails."}
	}
	setConditions(status, generation, now, verdicts)
}

// renderFailure leaves children alone that run: nobody knows what to put in their
// place.
func renderFailure(status *v1alpha1.DeploymentRecordStatus, generation int64, seen *observation, now time.Time) {
	cause := seen.renderErr
	// The pass is complete in that no other pass would get further.
	status.ObservedGeneration = generation
	reason := ReasonRenderFailed
	if refusal, ok := errors.AsType[Refusal](cause); ok {
		reason = refusal.RefusalReason()
	} else if _, ok := errors.AsType[*quota.ExceededError](cause); ok {
		reason = quota.ReasonQuotaExceeded
	}
	if explained, ok := errors.AsType[Explained](cause); ok {
		status.TemplateSelection = explained.RefusalSelection()
	}
	if tried, ok := errors.AsType[Tried](cause); ok {
		if name, hash := tried.RefusalTemplate(); name != "" && name == status.SelectedTemplate {
			// The record had its turn: the rollout of the template sees whom it failed.
			status.TemplateHash = hash
		}
	}
	failed := verdict{metav1.ConditionTrue, reason, cause.Error()}
	conditions := map[string]verdict{
		v1alpha1.ConditionDegraded:    failed,
		v1alpha1.ConditionProgressing: {metav1.ConditionFalse, reason, failed.message},
	}
	if len(status.ResourceRefs) == 0 {
		conditions[v1alpha1.ConditionAvailable] = verdict{metav1.ConditionFalse, reason, failed.message}
	} else if available := tellWhatRuns(status, seen.leftAlone); available != nil {
		conditions[v1alpha1.ConditionAvailable] = *available
	}
	setConditions(status, generation, now, conditions)
	status.Condition, status.Phase, status.Message = v1alpha1.RecordFailed, v1alpha1.PhaseTemplateSelection, limit(failed.message)
}

func degradedOf(seen *observation, workloads []workload) verdict {
	if worst := seen.worst(); worst != nil {
		return verdict{metav1.ConditionTrue, worst.reason, worst.Error()}
	}
	for _, w := range workloads {
		if w.trouble != nil {
			return verdict{metav1.ConditionTrue, w.trouble.reason, fmt.Sprintf("function %s: %s", w.function.Key, w.trouble.text())}
		}
	}
	if found, ok := seen.troubles[troubleOfGrid]; ok && seen.rendering.Grid != nil && !found.ended {
		return verdict{metav1.ConditionTrue, found.reason, "data grid: " + found.text()}
	}
	if failed, ok := seen.failed(); ok {
		return failed
	}
	return verdict{metav1.ConditionFalse, ReasonAsExpected, "Nothing fails."}
}

// availableOf says whether every function serves. A new revision that fails while
// the old one still serves makes the record degraded, not unavailable.
func availableOf(workloads []workload, degraded verdict) verdict {
	if degraded.reason == ReasonConflict {
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	}
	var missing []string
	for _, w := range workloads {
		if !w.available {
			missing = append(missing, w.function.Key)
		}
	}
	switch {
	case len(missing) > 0 && degraded.status == metav1.ConditionTrue:
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	case len(missing) > 0:
		return verdict{metav1.ConditionFalse, ReasonStarting, "Waiting for replicas of " + strings.Join(missing, ", ") + "."}
	case len(workloads) == 0:
		return verdict{metav1.ConditionTrue, ReasonNoWorkloads, "No function has a workload."}
	default:
		return verdict{metav1.ConditionTrue, ReasonServing, "Every function serves."}
	}
}

func progressingOf(seen *observation, workloads []workload, degraded verdict) verdict {
	if degraded.reason == ReasonConflict || slices.ContainsFunc(workloads, func(w workload) bool { return w.failed }) {
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	}
	var changing []string
	for _, w := range workloads {
		if !w.settled {
			changing = append(changing, w.function.Key)
		}
	}
	switch {
	case seen.recreating:
		return verdict{metav1.ConditionTrue, ReasonRecreating, "Making anew what cannot be changed."}
	case len(changing) > 0:
		return verdict{metav1.ConditionTrue, ReasonRollingOut, "Rolling out " + strings.Join(changing, ", ") + "."}
	case slices.ContainsFunc(seen.children, func(c child) bool { return c.Grid && c.live != nil && !c.live.Health.Settled }):
		return verdict{metav1.ConditionTrue, ReasonRollingOut, "Rolling out the data grid."}
	case len(seen.leaving()) > 0:
		return verdict{metav1.ConditionTrue, ReasonRecreating, "Waiting until it is gone, to make it anew: " + strings.Join(seen.leaving(), ", ") + "."}
	case len(seen.waiting()) > 0:
		return verdict{metav1.ConditionTrue, ReasonReplacing, strings.Join(seen.waiting(), "; ")}
	case len(seen.surplus) > 0:
		return verdict{metav1.ConditionTrue, ReasonReplacing, "Keeping until their successors serve: " + strings.Join(seen.surplus, ", ") + "."}
	case len(seen.parting) > 0:
		return verdict{metav1.ConditionTrue, ReasonRemoving, "Waiting until it is gone: " + strings.Join(seen.parting, ", ") + "."}
	case seen.worst() != nil:
		// Not everything is done, and trying again may not help.
		return verdict{metav1.ConditionFalse, degraded.reason, degraded.message}
	default:
		return verdict{metav1.ConditionFalse, ReasonComplete, "Nothing is left to do."}
	}
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
	case slices.ContainsFunc(workloads, func(w workload) bool { return w.scaling }):
		return v1alpha1.RecordScaling
	default:
		return v1alpha1.RecordProvisioning
	}
}

func phaseOf(seen *observation, available, progressing verdict, workloads []workload) v1alpha1.RecordPhase {
	switch {
	case slices.ContainsFunc(seen.children, func(c child) bool { return c.live == nil || c.fault != nil }):
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
