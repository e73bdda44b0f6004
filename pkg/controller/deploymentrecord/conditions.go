// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/wording"
)

const (
	// messageLimit is the room for the message of a condition or an event, in bytes.
	messageLimit = 1024
	// messagesLimit is the room for the messages of all functions, in bytes, and
	// leastOfEach what each has of it at least.
	messagesLimit = 64 << 10
	leastOfEach   = 100
	// reasonLimit is the room for the reason of an event, in bytes.
	reasonLimit = 128
)

// setConditions keeps the time of a condition whose status stays the same.
func setConditions(status *v1alpha1.DeploymentRecordStatus, generation int64, now time.Time, verdicts map[string]verdict) {
	for _, kind := range []string{
		v1alpha1.ConditionAvailable, v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded, v1alpha1.ConditionODGMReady,
		v1alpha1.ConditionNFRCompliant,
	} {
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

// setCompliance tells that nobody knows whether the requirements are kept: nothing
// measures it. What is not known is no promise, and no failure.
func setCompliance(status *v1alpha1.DeploymentRecordStatus, record *v1alpha1.DeploymentRecord, now time.Time) {
	if record.Spec.NFRRequirements == (v1alpha1.NFRRequirements{}) {
		dropCondition(status, v1alpha1.ConditionNFRCompliant)
		return
	}
	setConditions(status, record.Generation, now, map[string]verdict{v1alpha1.ConditionNFRCompliant: {
		metav1.ConditionUnknown, ReasonNotMeasured,
		"Nothing measures whether the requirements are kept: this version of the Class Runtime Manager does not watch them.",
	}})
}

func dropCondition(status *v1alpha1.DeploymentRecordStatus, kind string) {
	meta.RemoveStatusCondition(&status.Conditions, kind)
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
	return clean[:min(len(clean), reasonLimit)]
}

func limit(message string) string { return wording.Cut(message, messageLimit) }

// limitOfEach cuts the message of one of several functions, which share the room that
// there is in a status: a record has to fit into etcd with all of them.
func limitOfEach(message string, functions int) string {
	return wording.Cut(message, min(messageLimit, max(leastOfEach, messagesLimit/max(functions, 1))))
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
// that is not known, or was not there before and is False, is no news.
func transitions(before, after []metav1.Condition) []transition {
	var changes []transition
	for _, condition := range after {
		previous := meta.FindStatusCondition(before, condition.Type)
		if condition.Type == v1alpha1.ConditionProgressing || condition.Status == metav1.ConditionUnknown || (previous == nil && condition.Status == metav1.ConditionFalse) || (previous != nil && previous.Status == condition.Status) {
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
