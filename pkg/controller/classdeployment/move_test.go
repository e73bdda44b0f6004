// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

// The unit of environment default moves from cluster a to cluster b.
func TestAMovingUnitServesUntilItsSuccessorDoes(t *testing.T) {
	successor := unitKey{"b", "u"}
	moved := planner.Plan{Units: []planner.Unit{{Cluster: "b", Content: &deploymentv1.DeploymentUnit{Id: "u", Environment: "default", Hash: "h2"}}}}
	elsewhere := planner.Plan{Units: []planner.Unit{{Cluster: "b", Content: &deploymentv1.DeploymentUnit{Id: "v", Environment: "other", Hash: "h2"}}}}
	missing := crmclient.RecordState{Known: true}
	stale := record("h2")
	stale.Stale = true
	unavailable := func(r *deploymentv1.DeploymentRecord) { r.Status.Conditions = nil }
	rolling := func(r *deploymentv1.DeploymentRecord) { r.Status.Current = false }
	leaving := func(r *deploymentv1.DeploymentRecord) { r.DeletedAt = timestamppb.New(now) }

	for name, test := range map[string]struct {
		plan      planner.Plan
		old, next observation
		wantStays bool
	}{
		"the successor is not there yet":               {moved, observation{record: record("h1")}, observation{record: missing}, true},
		"the successor starts":                         {moved, observation{record: record("h1")}, observation{record: record("h2", unavailable)}, true},
		"the successor serves other content":           {moved, observation{record: record("h1")}, observation{record: record("h3")}, true},
		"the successor is rolling out":                 {moved, observation{record: record("h1")}, observation{record: record("h2", rolling)}, true},
		"the successor was not heard of for a while":   {moved, observation{record: record("h1")}, observation{record: stale}, true},
		"the successor serves":                         {moved, observation{record: record("h1")}, observation{record: record("h2")}, false},
		"the old one does not serve":                   {moved, observation{record: record("h1", unavailable)}, observation{record: missing}, false},
		"the old one was asked to go":                  {moved, observation{record: record("h1"), removal: true}, observation{record: missing}, false},
		"the old one is going":                         {moved, observation{record: record("h1", leaving)}, observation{record: missing}, false},
		"nothing replaces it":                          {elsewhere, observation{record: record("h1")}, observation{record: missing}, false},
		"nothing may change while the package is gone": {planner.Plan{Halted: true}, observation{record: record("h1")}, observation{record: missing}, true},
	} {
		t.Run(name, func(t *testing.T) {
			left := listed(accepted("h1"), func(u *pmv1alpha1.DeploymentUnitStatus) { u.Planned = false })
			got := decide(left, test.plan, map[unitKey]observation{key: test.old, successor: test.next}, now)
			if removed := slices.Contains(got.remove, key); removed == test.wantStays {
				t.Errorf("asked to remove %v; stays = %v wanted", got.remove, test.wantStays)
			}
			if !slices.ContainsFunc(got.status.Units, func(u pmv1alpha1.DeploymentUnitStatus) bool { return u.Cluster == "a" && !u.Planned }) {
				t.Errorf("the status lists %+v, want the old unit until its end is confirmed", got.status.Units)
			}
		})
	}
}

func TestADeletedDeploymentKeepsNoUnitForItsSuccessor(t *testing.T) {
	deleted := listed(accepted("h1"))
	deleted.DeletionTimestamp = new(deleted.CreationTimestamp)
	got := decide(deleted, planner.Plan{}, map[unitKey]observation{key: {record: record("h1")}}, now)
	if !slices.Equal(got.remove, []unitKey{key}) {
		t.Errorf("asked to remove %v, want %v", got.remove, key)
	}
}
