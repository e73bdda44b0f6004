// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

var (
	now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	key = unitKey{"a", "u"}
)

func planned(hash string) planner.Plan {
	return planner.Plan{Units: []planner.Unit{{Cluster: "a", Content: &deploymentv1.DeploymentUnit{Id: "u", Environment: "default", Hash: hash}}}}
}

func listed(options ...func(*pmv1alpha1.DeploymentUnitStatus)) *pmv1alpha1.ClassDeployment {
	unit := pmv1alpha1.DeploymentUnitStatus{Cluster: "a", DeploymentID: "u", Environment: "default", Planned: true}
	for _, option := range options {
		option(&unit)
	}
	return &pmv1alpha1.ClassDeployment{Status: pmv1alpha1.ClassDeploymentStatus{Units: []pmv1alpha1.DeploymentUnitStatus{unit}}}
}

func accepted(hash string) func(*pmv1alpha1.DeploymentUnitStatus) {
	return func(u *pmv1alpha1.DeploymentUnitStatus) { u.DispatchedHash = hash }
}

func record(hash string, change ...func(*deploymentv1.DeploymentRecord)) crmclient.RecordState {
	r := &deploymentv1.DeploymentRecord{
		Unit: &deploymentv1.DeploymentUnit{Id: "u", Hash: hash},
		Status: &deploymentv1.DeploymentStatus{
			Condition: deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING, Current: true,
			Conditions: []*deploymentv1.Condition{{Type: "Available", Status: "True"}},
		},
	}
	for _, c := range change {
		c(r)
	}
	return crmclient.RecordState{Record: r, Known: true}
}

func TestWhetherAUnitIsSent(t *testing.T) {
	missing := crmclient.RecordState{Known: true}
	unknown := crmclient.RecordState{}
	stale := record("h1")
	stale.Stale = true
	for name, test := range map[string]struct {
		deployment *pmv1alpha1.ClassDeployment
		seen       observation
		wantSent   bool
		wantAfter  time.Duration
	}{
		"a new unit is sent": {&pmv1alpha1.ClassDeployment{}, observation{record: missing}, true, 0},
		"a new unit is sent although the cluster was not heard of":   {&pmv1alpha1.ClassDeployment{}, observation{record: unknown}, true, 0},
		"a unit that the cluster has as planned is not sent":         {listed(), observation{record: record("h2")}, false, 0},
		"a unit of other content is sent":                            {listed(accepted("h1")), observation{record: record("h1")}, true, 0},
		"a unit whose record was lost is sent again":                 {listed(accepted("h2")), observation{record: missing}, true, 0},
		"a unit accepted before a restart waits for the stream":      {listed(accepted("h2")), observation{record: unknown}, false, 0},
		"a unit of other content is sent to a silent cluster too":    {listed(accepted("h1")), observation{record: stale}, true, 0},
		"a unit accepted just now is left to the stream for a while": {listed(), observation{record: missing, outcome: outcome{hash: "h2", at: now.Add(-time.Second)}}, false, 4 * time.Second},
		"a unit that the stream does not show after a while is sent": {listed(), observation{record: missing, outcome: outcome{hash: "h2", at: now.Add(-time.Minute)}}, true, 0},
		"a unit that the cluster is removing waits for its end": {listed(accepted("h2")), observation{record: record("h2", func(r *deploymentv1.DeploymentRecord) {
			r.DeletedAt = timestamppb.New(now)
		})}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(test.deployment, planned("h2"), map[unitKey]observation{key: test.seen}, now)
			if sent := len(got.deploy) == 1; sent != test.wantSent || got.after != test.wantAfter {
				t.Errorf("sent %v, looks again after %s; want %v, %s", sent, got.after, test.wantSent, test.wantAfter)
			}
			if len(got.status.Units) != 1 || !got.status.Units[0].Planned {
				t.Errorf("the status lists %+v, want the planned unit", got.status.Units)
			}
		})
	}
}

func TestAUnitIsListedUntilItsRemovalIsConfirmed(t *testing.T) {
	for name, test := range map[string]struct {
		seen          observation
		wantListed    bool
		wantAbandoned bool
	}{
		"nobody was asked yet":              {observation{record: record("h1")}, true, false},
		"no record is no confirmation":      {observation{record: crmclient.RecordState{Known: true}}, true, false},
		"a call failed":                     {observation{outcome: outcome{err: errors.New("away"), at: now}}, true, false},
		"the cluster confirmed":             {observation{outcome: outcome{gone: true, at: now}}, false, false},
		"the cluster itself does not exist": {observation{clusterGone: true}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(listed(accepted("h1")), planner.Plan{}, map[unitKey]observation{key: test.seen}, now)
			if isListed := len(got.status.Units) == 1; isListed != test.wantListed || (len(got.remove) == 1) != test.wantListed {
				t.Errorf("listed %v, asked to remove %v; want %v", isListed, got.remove, test.wantListed)
			}
			if abandoned := len(got.abandoned) == 1; abandoned != test.wantAbandoned {
				t.Errorf("abandoned %v, want %v", abandoned, test.wantAbandoned)
			}
		})
	}
}

func TestAHaltedPlanTouchesNothing(t *testing.T) {
	plan := planner.Plan{Halted: true, Problems: planner.Problems{{Type: planner.PackageNotFound, Message: "no package"}}}
	got := decide(listed(accepted("h1")), plan, map[unitKey]observation{key: {record: record("h1")}}, now)
	if len(got.deploy)+len(got.remove) != 0 || len(got.status.Units) != 1 || !got.status.Units[0].Available {
		t.Errorf("calls %v and %v, units %+v; want none, and the unit as it runs", got.deploy, got.remove, got.status.Units)
	}
	if got.status.Phase != pmv1alpha1.ClassDeploymentDegraded {
		t.Errorf("phase is %s, want Degraded: it serves, but not as asked", got.status.Phase)
	}
}

func TestTheStatusTellsWhichPackageItSpeaksOf(t *testing.T) {
	deployment := listed(accepted("h2"))
	deployment.Status.PackageGeneration = 3
	seen := map[unitKey]observation{key: {record: record("h2")}}
	same := planned("h2")
	same.PackageGeneration = 4
	if got := decide(deployment, same, seen, now).status.PackageGeneration; got != 4 {
		t.Errorf("generation is %d, want 4 also when the unit is the same", got)
	}
	gone := planner.Plan{Halted: true, Problems: planner.Problems{{Type: planner.PackageNotFound}}}
	if got := decide(deployment, gone, seen, now).status.PackageGeneration; got != 0 {
		t.Errorf("generation is %d, want none without a package", got)
	}
}

func TestASecondLookAtTheSameChangesNothing(t *testing.T) {
	deployment := listed()
	seen := map[unitKey]observation{key: {record: record("h2")}}
	deployment.Status = decide(deployment, planned("h2"), seen, now).status
	if deployment.Status.Phase != pmv1alpha1.ClassDeploymentRunning {
		t.Errorf("phase is %s, want Running", deployment.Status.Phase)
	}
	again := decide(deployment, planned("h2"), seen, now.Add(time.Hour)).status
	if !apiequality.Semantic.DeepEqual(deployment.Status, again) {
		t.Errorf("status changed from %+v to %+v", deployment.Status, again)
	}
}

func TestASilentClusterLeavesWhatItLastSaidAndMakesAvailabilityUnknown(t *testing.T) {
	deployment := listed()
	deployment.Status = decide(deployment, planned("h2"), map[unitKey]observation{key: {record: record("h2")}}, now).status
	silent := record("h2")
	silent.Stale = true
	got := decide(deployment, planned("h2"), map[unitKey]observation{key: {record: silent, silence: "cluster a does not answer"}}, now).status
	if c := meta.FindStatusCondition(got.Conditions, "Available"); c.Status != metav1.ConditionUnknown || c.Reason != ReasonClusterUnreachable {
		t.Errorf("Available is %+v, want Unknown because of the cluster", c)
	}
	if c := meta.FindStatusCondition(got.Conditions, "Dispatched"); c.Status != metav1.ConditionTrue {
		t.Errorf("Dispatched is %+v, want True: the cluster did accept the unit", c)
	}
	if got.Units[0].Condition != unitUnreachable || !got.Units[0].Available || got.Phase != pmv1alpha1.ClassDeploymentDegraded {
		t.Errorf("unit is %+v and phase %s, want Unreachable as last seen available, and Degraded", got.Units[0], got.Phase)
	}
}

func TestAFailedCallIsForgottenWhenTheRecordShowsItsSuccess(t *testing.T) {
	late := outcome{err: &crmclient.Error{Cluster: "a", Code: codes.DeadlineExceeded, Message: "too late"}, at: now}
	seen := observation{record: record("h2"), outcome: late, silence: "too late"}
	got := decide(listed(), planned("h2"), map[unitKey]observation{key: seen}, now)
	if got.status.Phase != pmv1alpha1.ClassDeploymentRunning || got.status.Units[0].Message != "" {
		t.Errorf("phase is %s, unit %+v; want it Running without a word of the call", got.status.Phase, got.status.Units[0])
	}
	if len(got.settled) != 1 {
		t.Errorf("settled are %v, want the unit, so that the call is not made again", got.settled)
	}
}

func TestOnlyTransitionsThatTellSomethingAreEvents(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, reason string) *metav1.Condition {
		return &metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	const available, degraded = pmv1alpha1.ClassDeploymentAvailable, pmv1alpha1.ClassDeploymentDegradedCondition
	for name, test := range map[string]struct {
		before *metav1.Condition
		after  *metav1.Condition
		want   string
	}{
		"it becomes available":                  {condition(available, "False", ReasonUnitsUnavailable), condition(available, "True", ReasonUnitsAvailable), "Normal"},
		"it is not available at first":          {nil, condition(available, "False", ReasonUnitsUnavailable), ""},
		"it starts once its package is there":   {condition(available, "False", ReasonNotPlanned), condition(available, "False", ReasonUnitsUnavailable), ""},
		"it is available no more":               {condition(available, "True", ReasonUnitsAvailable), condition(available, "False", ReasonUnitsUnavailable), "Warning"},
		"it turns out to be down":               {condition(available, "Unknown", ReasonClusterUnreachable), condition(available, "False", ReasonUnitsUnavailable), "Warning"},
		"its cluster goes away":                 {condition(available, "True", ReasonUnitsAvailable), condition(available, "Unknown", ReasonClusterUnreachable), "Warning"},
		"nothing fails at first":                {nil, condition(degraded, "False", ReasonUnitsHealthy), ""},
		"a failure is over":                     {condition(degraded, "True", ReasonUnitsDegraded), condition(degraded, "False", ReasonUnitsHealthy), "Normal"},
		"something fails":                       {condition(degraded, "False", ReasonUnitsHealthy), condition(degraded, "True", ReasonUnitsDegraded), "Warning"},
		"units change, as they do in a rollout": {nil, condition(pmv1alpha1.ClassDeploymentProgressing, "True", ReasonRollingOut), ""},
	} {
		t.Run(name, func(t *testing.T) {
			kind, worth := eventType(*test.after, test.before)
			if !worth {
				kind = ""
			}
			if kind != test.want {
				t.Errorf("event is %q, want %q", kind, test.want)
			}
		})
	}
}
