// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/crmclient"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func answered(change ...func(*crmv1.GetClusterHealthResponse)) probe {
	heard := &crmv1.GetClusterHealthResponse{
		Status: crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY, NodeCount: 3, ReadyNodes: 3,
		Capacity: map[string]string{"cpu": "12", "broken": "many"},
	}
	for _, c := range change {
		c(heard)
	}
	return probe{report: heard, breaker: &pmv1alpha1.CircuitBreakerStatus{State: pmv1alpha1.CircuitClosed}}
}

func TestHealthAndReadiness(t *testing.T) {
	for name, test := range map[string]struct {
		asked      probe
		wantHealth pmv1alpha1.ClusterHealth
		wantReady  metav1.ConditionStatus
		wantReason string
	}{
		"all nodes ready": {answered(), pmv1alpha1.ClusterHealthy, metav1.ConditionTrue, ReasonAnswering},
		"some nodes ready": {answered(func(r *crmv1.GetClusterHealthResponse) {
			r.Status, r.ReadyNodes = crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_DEGRADED, 1
		}), pmv1alpha1.ClusterDegraded, metav1.ConditionTrue, ReasonAnswering},
		"no node ready": {answered(func(r *crmv1.GetClusterHealthResponse) {
			r.Status, r.ReadyNodes = crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_UNHEALTHY, 0
		}), pmv1alpha1.ClusterUnhealthy, metav1.ConditionFalse, ReasonNoReadyNodes},
		"no word, so the nodes count": {answered(func(r *crmv1.GetClusterHealthResponse) {
			r.Status, r.ReadyNodes = crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_UNSPECIFIED, 2
		}), pmv1alpha1.ClusterDegraded, metav1.ConditionTrue, ReasonAnswering},
		"no answer":          {probe{err: crmclient.NoLink("a", "GetClusterHealth")}, pmv1alpha1.ClusterUnhealthy, metav1.ConditionFalse, ReasonUnreachable},
		"settings are wrong": {probe{setup: errors.New("spec.tls.caBundle: holds no PEM certificate")}, pmv1alpha1.ClusterUnhealthy, metav1.ConditionFalse, ReasonNoLink},
	} {
		t.Run(name, func(t *testing.T) {
			got := nextStatus(&pmv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: 4}}, test.asked, start)
			ready := meta.FindStatusCondition(got.Conditions, pmv1alpha1.ClusterReady)
			if got.Health != test.wantHealth || ready == nil || ready.Status != test.wantReady || ready.Reason != test.wantReason {
				t.Errorf("health %s, ready %+v; want %s, %s because of %s", got.Health, ready, test.wantHealth, test.wantReady, test.wantReason)
			}
			if got.ObservedGeneration != 4 {
				t.Errorf("observed generation is %d, want 4", got.ObservedGeneration)
			}
		})
	}
}

func TestAnUnchangedAnswerIsWrittenOnceAMinute(t *testing.T) {
	cluster := &pmv1alpha1.Cluster{}
	cluster.Status = nextStatus(cluster, answered(), start)
	if again := nextStatus(cluster, answered(), start.Add(59*time.Second)); !apiequality.Semantic.DeepEqual(cluster.Status, again) {
		t.Errorf("within a minute the status changed from %+v to %+v", cluster.Status, again)
	}
	later := start.Add(61 * time.Second)
	if again := nextStatus(cluster, answered(), later); !again.LastSeen.Time.Equal(later) {
		t.Errorf("last seen is %s after a minute, want %s", again.LastSeen, later)
	}
	changed := start.Add(10 * time.Second)
	if again := nextStatus(cluster, answered(func(r *crmv1.GetClusterHealthResponse) { r.NodeCount = 4 }), changed); !again.LastSeen.Time.Equal(changed) {
		t.Errorf("last seen is %s with a change, want %s", again.LastSeen, changed)
	}
}

func TestAnOpenBreakerKeepsTheReasonWhyItOpened(t *testing.T) {
	cluster := &pmv1alpha1.Cluster{}
	cluster.Status = nextStatus(cluster, probe{err: errors.New("connection refused")}, start)
	got := nextStatus(cluster, probe{err: fmt.Errorf("not called: %w", crmclient.ErrBreakerOpen)}, start.Add(time.Minute))
	if !apiequality.Semantic.DeepEqual(cluster.Status, got) {
		t.Errorf("status changed from %+v to %+v", cluster.Status, got)
	}
}

func TestAReportIsKeptAsFarAsItCanBeRead(t *testing.T) {
	got := nextStatus(&pmv1alpha1.Cluster{}, answered(), start)
	if cpu := got.Capacity["cpu"]; cpu.String() != "12" || len(got.Capacity) != 1 {
		t.Errorf("capacity is %v, want the 12 CPUs alone", got.Capacity)
	}
	// The API refuses the whole status for one of these, and the cluster would look
	// for ever as it did before.
	for name, change := range map[string]func(*crmv1.GetClusterHealthResponse){
		"an availability that is no decimal":    func(r *crmv1.GetClusterHealthResponse) { r.Availability = "99.9%" },
		"an availability of too many digits":    func(r *crmv1.GetClusterHealthResponse) { r.Availability = "0.9999999999999999999999" },
		"more nodes that are ready than nodes":  func(r *crmv1.GetClusterHealthResponse) { r.ReadyNodes = 4 },
		"numbers of nodes below none":           func(r *crmv1.GetClusterHealthResponse) { r.NodeCount, r.ReadyNodes = -1, -2 },
		"a version of a megabyte":               func(r *crmv1.GetClusterHealthResponse) { r.CrmVersion = strings.Repeat("v", 1<<20) },
		"resources by the thousand":             manyResources,
		"what a cluster reports that is well":   func(r *crmv1.GetClusterHealthResponse) { r.Availability = "0.9995" },
		"what a cluster reports that is at one": func(r *crmv1.GetClusterHealthResponse) { r.Availability = "1" },
	} {
		t.Run(name, func(t *testing.T) {
			asked := answered(change)
			versioned := &pmv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
			versioned.Status = nextStatus(versioned, asked, start)
			cluster := &pm.Cluster{}
			if err := pmv1alpha1.Convert_v1alpha1_Cluster_To_pm_Cluster(versioned, cluster, nil); err != nil {
				t.Fatal(err)
			}
			if errs := validation.ValidateClusterStatusUpdate(cluster, cluster); len(errs) > 0 {
				t.Errorf("the API refuses the status: %v", errs.ToAggregate())
			}
			if size := versioned.Status.Size(); size > 16<<10 {
				t.Errorf("the status has %d bytes", size)
			}
			if versioned.Status.Health == "" || len(versioned.Status.Capacity) == 0 {
				t.Errorf("the rest of the report is lost: %+v", versioned.Status)
			}
		})
	}
	good := answered(func(r *crmv1.GetClusterHealthResponse) { r.Availability, r.CrmVersion = "0.9995", "v1.2.3" })
	if got := nextStatus(&pmv1alpha1.Cluster{}, good, start); got.Availability != "0.9995" || got.CRMVersion != "v1.2.3" || got.NodeCount != 3 || got.ReadyNodes != 3 {
		t.Errorf("the status is %+v, want what was reported", got)
	}
}

func manyResources(r *crmv1.GetClusterHealthResponse) {
	for i := range 10_000 {
		r.Capacity[fmt.Sprintf("example.com/device-%05d", i)] = "1"
	}
}

// An away cluster is tried over and over. Each try moves the end of the open time,
// which is not worth a write.
func TestAClusterThatStaysAwayIsWrittenRarely(t *testing.T) {
	away := func(state pmv1alpha1.CircuitBreakerState, now time.Time) probe {
		until := metav1.NewTime(now.Add(30 * time.Second))
		breaker := &pmv1alpha1.CircuitBreakerStatus{State: state, Failures: 5}
		if state == pmv1alpha1.CircuitOpen {
			breaker.OpenUntil = &until
		}
		return probe{err: fmt.Errorf("not called: %w", crmclient.ErrBreakerOpen), breaker: breaker}
	}
	cluster := &pmv1alpha1.Cluster{}
	cluster.Status = nextStatus(cluster, away(pmv1alpha1.CircuitOpen, start), start)
	writes := 0
	for tries := range 20 {
		now := start.Add(time.Duration(tries) * 30 * time.Second)
		for _, state := range []pmv1alpha1.CircuitBreakerState{pmv1alpha1.CircuitHalfOpen, pmv1alpha1.CircuitOpen} {
			if next := nextStatus(cluster, away(state, now), now); !apiequality.Semantic.DeepEqual(cluster.Status, next) {
				cluster.Status = next
				writes++
			}
		}
	}
	if writes > 3 {
		t.Errorf("%d writes in ten minutes in which nothing changed, want at most 3", writes)
	}
	answer := nextStatus(cluster, answered(), start.Add(time.Hour))
	if answer.CircuitBreaker.State != pmv1alpha1.CircuitClosed {
		t.Errorf("the breaker is %s after an answer, want Closed", answer.CircuitBreaker.State)
	}
}
