// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"fmt"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Health is how an object is doing, as far as its own status tells. An object of a
// kind that has nothing to tell is settled and available.
type Health struct {
	// Settled objects have nothing left to roll out.
	Settled bool
	// Failed objects have stopped on their way and do not go on without a change.
	Failed bool
	// Available objects serve with the replicas that they need, of any revision.
	Available bool
	// Scaling objects change their number of replicas only.
	Scaling bool
	// Counted objects tell numbers of replicas: Created ones of the newest revision,
	// and those that are Ready.
	Counted        bool
	Created, Ready int32
	// Reason and Message tell why an object is not settled; empty otherwise.
	Reason, Message string
	// Refused says that its pods could not even be made, because of a quota, an
	// admission plugin or the nodes that there are; Reason and Message tell why.
	Refused bool
	// URL is the address that the object tells of itself.
	URL string
}

const (
	// ReasonRolloutFailed is the reason of an object that failed without one.
	ReasonRolloutFailed = "RolloutFailed"
	// ReasonNoNodes is the reason of a DaemonSet that has no node to run on.
	ReasonNoNodes = "NoNodes"
)

// counts are the numbers that workloads tell.
type counts struct {
	// desired replicas, as the spec or the scheduler says.
	desired int64
	// total replicas of any revision, updated ones of the newest.
	total, updated, ready, available int64
}

// healthOf reads the status of an object of any kind.
func healthOf(object *unstructured.Unstructured) Health {
	health := Health{URL: urlOf(object)}
	result, err := kstatus.Compute(object)
	switch {
	case err != nil:
		health.Message = fmt.Sprintf("The state of the %s is not known: %v.", object.GetKind(), err)
	case result.Status == kstatus.CurrentStatus:
		health.Settled = true
	case result.Status == kstatus.FailedStatus:
		health.Failed, health.Reason, health.Message = true, ReasonRolloutFailed, result.Message
	default:
		health.Message = result.Message
	}

	kind := object.GroupVersionKind()
	switch kind.Group + "/" + kind.Kind {
	case "apps/Deployment":
		n := replicaCounts(object)
		health.count(n, observed(object))
		available, _ := condition(object, "Available")
		health.Available = available == "True"
	case "apps/StatefulSet":
		n := replicaCounts(object)
		health.count(n, observed(object))
		health.Available = observed(object) && enough(n)
	case "apps/DaemonSet":
		n := counts{
			desired: number(object, "status", "desiredNumberScheduled"), total: number(object, "status", "currentNumberScheduled"),
			updated: number(object, "status", "updatedNumberScheduled"), ready: number(object, "status", "numberReady"),
			available: number(object, "status", "numberAvailable"),
		}
		health.count(n, observed(object))
		health.Scaling = false
		health.Available = observed(object) && enough(n) && n.desired > 0
		if observed(object) && n.desired == 0 {
			// All of no pods are ready, and nobody serves.
			health.Settled, health.Refused = false, true
			health.Reason, health.Message = ReasonNoNodes, "No node of the cluster fits: check node selectors, tolerations and taints."
		}
	case "batch/Job":
		active, succeeded := number(object, "status", "active"), number(object, "status", "succeeded")
		health.Counted, health.Created = true, int32(active+succeeded)
		health.Ready = int32(number(object, "status", "ready") + succeeded)
		// A Job that runs does what it is there for.
		complete, _ := condition(object, "Complete")
		health.Available = !health.Failed && (complete == "True" || health.Ready > 0)
		health.Settled = !health.Failed && health.Available
	case "serving.knative.dev/Service":
		health.ofKnative(object)
	default:
		health.Available = health.Settled
	}
	if status, c := condition(object, "ReplicaFailure"); status == "True" {
		health.Refused, health.Reason, health.Message = true, c.reason, c.message
	}
	return health
}

func replicaCounts(object *unstructured.Unstructured) counts {
	desired, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if !found || err != nil {
		desired = 1
	}
	return counts{
		desired: desired, total: number(object, "status", "replicas"), updated: number(object, "status", "updatedReplicas"),
		ready: number(object, "status", "readyReplicas"), available: number(object, "status", "availableReplicas"),
	}
}

func (h *Health) count(n counts, current bool) {
	h.Counted, h.Created, h.Ready = true, int32(n.updated), int32(n.ready)
	h.Scaling = current && n.updated == n.total && n.total != n.desired
}

// enough replicas serve: all, or all but the one that an update in place takes
// down at a time.
func enough(n counts) bool {
	need := n.desired
	if n.updated < n.total && need > 1 {
		need--
	}
	return n.available >= need
}

// ofKnative reads a Knative Service. While a new revision fails, the last one that
// was ready goes on serving as long as routes lead to it.
func (h *Health) ofKnative(object *unstructured.Unstructured) {
	ready, why := condition(object, "Ready")
	routes, _ := condition(object, "RoutesReady")
	revision, _, _ := unstructured.NestedString(object.Object, "status", "latestReadyRevisionName")
	current := observed(object)
	h.Available = ready == "True" || (revision != "" && routes == "True")
	h.Settled = ready == "True" && current
	h.Failed = ready == "False" && current
	h.Reason, h.Message = "", ""
	if !h.Settled {
		h.Reason, h.Message = why.reason, why.message
		if h.Message == "" {
			h.Message = "Waiting for the Knative Service to become ready."
		}
	}
	if h.Failed && h.Reason == "" {
		h.Reason = ReasonRolloutFailed
	}
}

// observed tells whether the status speaks of the newest spec.
func observed(object *unstructured.Unstructured) bool {
	return number(object, "status", "observedGeneration") >= object.GetGeneration()
}

func number(object *unstructured.Unstructured, path ...string) int64 {
	value, _, _ := unstructured.NestedInt64(object.Object, path...)
	return value
}

// urlOf returns the address in an object's status, as Knative and others tell it.
func urlOf(object *unstructured.Unstructured) string {
	for _, path := range [][]string{{"status", "address", "url"}, {"status", "url"}} {
		if url, _, _ := unstructured.NestedString(object.Object, path...); url != "" {
			return url
		}
	}
	return ""
}

type cause struct{ reason, message string }

// condition returns the status of a condition and why; empty when there is none.
func condition(object *unstructured.Unstructured, kind string) (string, cause) {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, "status", "conditions")
	conditions, _ := value.([]any)
	for _, c := range conditions {
		c, ok := c.(map[string]any)
		if !ok || c["type"] != kind {
			continue
		}
		status, _ := c["status"].(string)
		reason, _ := c["reason"].(string)
		message, _ := c["message"].(string)
		return status, cause{reason, message}
	}
	return "", cause{}
}
