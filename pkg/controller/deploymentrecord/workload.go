// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// workload is how the workload of one function is doing.
type workload struct {
	function render.Function
	// created replicas exist, ready ones serve.
	created, ready int32
	// available functions have the replicas that they need, of any revision.
	available bool
	// settled workloads have nothing left to roll out.
	settled bool
	// scaling workloads change their size only.
	scaling bool
	// failed workloads have stopped rolling out.
	failed bool
	// waiting says in words what a workload that is not settled waits for.
	waiting string
	trouble *trouble
}

// message tells why replicas are missing; empty when none is.
func (w workload) message() string {
	switch {
	case w.trouble != nil:
		return limit(w.trouble.reason + ": " + w.trouble.message)
	case w.settled:
		return ""
	default:
		return limit(w.waiting)
	}
}

func workloadsOf(seen *observation) []workload {
	live := map[string]*unstructured.Unstructured{}
	for _, c := range seen.children {
		if c.live != nil && c.live.GetKind() == "Deployment" {
			live[c.live.GetName()] = c.live
		}
	}
	workloads := make([]workload, 0, len(seen.rendering.Functions))
	for _, function := range seen.rendering.Functions {
		w := workload{function: function, waiting: "Waiting for the Deployment."}
		if object := live[function.Name]; object != nil {
			w.observe(object)
		}
		// A pod that has ended is history once the workload is whole again.
		if found, ok := seen.troubles[names.LabelValue(function.Key)]; ok && (!found.ended || !w.settled) {
			w.trouble = &found
		}
		workloads = append(workloads, w)
	}
	return workloads
}

// observe reads the state of a Deployment.
func (w *workload) observe(object *unstructured.Unstructured) {
	deployment := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
		w.waiting = fmt.Sprintf("The Deployment cannot be read: %v.", err)
		return
	}
	status := deployment.Status
	w.created, w.ready = status.UpdatedReplicas, status.ReadyReplicas
	current := status.ObservedGeneration >= deployment.Generation
	for _, condition := range status.Conditions {
		switch {
		case condition.Type == appsv1.DeploymentAvailable:
			w.available = condition.Status == corev1.ConditionTrue
		case condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue:
			// Pods could not even be made: a quota or an admission plugin.
			w.trouble = &trouble{reason: condition.Reason, message: condition.Message}
		}
	}
	w.scaling = current && status.UpdatedReplicas == status.Replicas && status.Replicas != w.function.Replicas

	result, err := kstatus.Compute(object)
	if err != nil {
		w.waiting = fmt.Sprintf("The state of the Deployment is not known: %v.", err)
		return
	}
	w.waiting = result.Message
	switch result.Status {
	case kstatus.CurrentStatus:
		w.settled = true
	case kstatus.FailedStatus:
		w.failed = true
		if w.trouble == nil {
			w.trouble = &trouble{reason: ReasonRolloutFailed, message: result.Message}
		}
	case kstatus.InProgressStatus, kstatus.TerminatingStatus, kstatus.NotFoundStatus, kstatus.UnknownStatus:
	}
}
