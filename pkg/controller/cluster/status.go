// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/apis/quantity"
	"oaas.io/oaas/pkg/crmclient"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	"oaas.io/oaas/pkg/wording"
)

// lastSeenEvery is how often lastSeen alone is worth a write.
const lastSeenEvery = time.Minute

const (
	// versionRoom is the room for a cluster's version, in bytes.
	versionRoom = 256
	// resources bounds the resources that a cluster reports, and nameRoom the name of
	// each, in bytes: a domain and a label.
	resources = 100
	nameRoom  = 253 + 1 + 63
)

// openUntilEvery is how often it is written down until when the breaker of a
// cluster that stays away is open.
const openUntilEvery = 5 * time.Minute

// Reasons of the condition Ready.
const (
	// ReasonAnswering: the cluster answers and has nodes that are ready.
	ReasonAnswering = "Answering"
	// ReasonNoReadyNodes: the cluster answers, but none of its nodes is ready.
	ReasonNoReadyNodes = "NoReadyNodes"
	// ReasonUnreachable: the cluster does not answer.
	ReasonUnreachable = "Unreachable"
	// ReasonAccessDenied: the cluster does not accept the Package Manager's identity.
	ReasonAccessDenied = "AccessDenied"
	// ReasonRefused: the cluster answers with an error.
	ReasonRefused = "Refused"
	// ReasonNoLink: the connection could not be set up from the spec.
	ReasonNoLink = "NoLink"
)

// probe is the result of asking a cluster.
type probe struct {
	// report of the cluster; nil when there is none.
	report *crmv1.GetClusterHealthResponse
	// err of the call.
	err error
	// setup is what is wrong with the settings of the link; report may still be
	// there, over a link that was made before.
	setup error
	// breaker of the link; nil without a link.
	breaker *pmv1alpha1.CircuitBreakerStatus
}

// nextStatus is the status of a cluster after it was asked.
func nextStatus(cluster *pmv1alpha1.Cluster, asked probe, now time.Time) pmv1alpha1.ClusterStatus {
	var next pmv1alpha1.ClusterStatus
	cluster.Status.DeepCopyInto(&next)
	next.ObservedGeneration = cluster.Generation
	next.CircuitBreaker = settled(cluster.Status.CircuitBreaker, asked.breaker, now)
	ready := metav1.Condition{
		Type: pmv1alpha1.ClusterReady, ObservedGeneration: cluster.Generation,
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	if asked.report != nil {
		report(&next, asked.report)
		ready.Status, ready.Reason, ready.Message = metav1.ConditionTrue, ReasonAnswering, readiness(asked)
		if next.Health == pmv1alpha1.ClusterUnhealthy {
			ready.Status, ready.Reason = metav1.ConditionFalse, ReasonNoReadyNodes
		}
	} else {
		next.Health = pmv1alpha1.ClusterUnhealthy
		ready.Status = metav1.ConditionFalse
		ready.Reason, ready.Message = failure(asked)
		before := meta.FindStatusCondition(cluster.Status.Conditions, pmv1alpha1.ClusterReady)
		if errors.Is(asked.err, crmclient.ErrBreakerOpen) && before != nil && before.Reason == ReasonUnreachable {
			// Why the breaker opened says more than that it is open.
			ready.Message = before.Message
		}
	}
	ready.Message = wording.Cut(ready.Message, wording.MessageRoom)
	meta.SetStatusCondition(&next.Conditions, ready)
	if asked.report != nil {
		seen := metav1.NewTime(now.Truncate(time.Second))
		if next.LastSeen == nil || !apiequality.Semantic.DeepEqual(cluster.Status, next) || now.Sub(next.LastSeen.Time) >= lastSeenEvery {
			next.LastSeen = &seen
		}
	}
	return next
}

// settled keeps the state of a breaker that was open and still is. A cluster that is
// away is tried again and again, and each try moves the time until the next one: to
// write that down each time would cost writes for as long as the cluster is away.
func settled(before, now *pmv1alpha1.CircuitBreakerStatus, at time.Time) *pmv1alpha1.CircuitBreakerStatus {
	if isOpen(before) && isOpen(now) && before.OpenUntil != nil && at.Sub(before.OpenUntil.Time) < openUntilEvery {
		return before
	}
	return now
}

// report keeps what the API takes: for the rest it would refuse the whole status, and
// the cluster would look for ever as it did before.
func report(status *pmv1alpha1.ClusterStatus, heard *crmv1.GetClusterHealthResponse) {
	status.Health = health(heard)
	status.CRMVersion = wording.Cut(heard.GetCrmVersion(), versionRoom)
	status.NodeCount = max(0, heard.GetNodeCount())
	status.ReadyNodes = min(max(0, heard.GetReadyNodes()), status.NodeCount)
	status.Availability = ""
	if availability := heard.GetAvailability(); validation.IsFraction(availability) {
		status.Availability = availability
	}
	status.Capacity = quantities(heard.GetCapacity())
	status.Allocated = quantities(heard.GetAllocated())
}

// health is the cluster's own word, or follows from its nodes when it gives none.
func health(heard *crmv1.GetClusterHealthResponse) pmv1alpha1.ClusterHealth {
	switch heard.GetStatus() {
	case crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY:
		return pmv1alpha1.ClusterHealthy
	case crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_DEGRADED:
		return pmv1alpha1.ClusterDegraded
	case crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_UNHEALTHY:
		return pmv1alpha1.ClusterUnhealthy
	case crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_UNSPECIFIED:
	}
	switch {
	case heard.GetReadyNodes() == 0:
		return pmv1alpha1.ClusterUnhealthy
	case heard.GetReadyNodes() < heard.GetNodeCount():
		return pmv1alpha1.ClusterDegraded
	default:
		return pmv1alpha1.ClusterHealthy
	}
}

// quantities leaves out what cannot be read: a report from another version shall
// not hide the rest of it. Of very many resources the first are kept, those that
// every cluster has before others.
func quantities(written map[string]string) map[string]resource.Quantity {
	if len(written) == 0 {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(written), func(a, b string) int {
		if own := strings.Contains(a, "/"); own != strings.Contains(b, "/") {
			if own {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	read := make(map[string]resource.Quantity, min(len(names), resources))
	for _, name := range names {
		if len(read) == resources {
			break
		}
		if size, err := quantity.Parse(written[name]); err == nil && len(name) <= nameRoom {
			read[name] = size
		}
	}
	return read
}

func readiness(asked probe) string {
	message := fmt.Sprintf("%d of %d nodes are ready", asked.report.GetReadyNodes(), asked.report.GetNodeCount())
	if asked.setup != nil {
		message += "; the link made earlier stays in use: " + asked.setup.Error()
	}
	return message
}

func failure(asked probe) (reason, message string) {
	if asked.err == nil {
		return ReasonNoLink, asked.setup.Error()
	}
	var failed *crmclient.Error
	if errors.As(asked.err, &failed) && !failed.Unreachable() {
		if failed.Code == codes.Unauthenticated || failed.Code == codes.PermissionDenied {
			return ReasonAccessDenied, failed.Error()
		}
		return ReasonRefused, failed.Error()
	}
	return ReasonUnreachable, asked.err.Error()
}
