// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"cmp"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

// streamGrace is how long the stream of a cluster may take to show a unit that
// the cluster has just accepted, before the unit is sent again.
const streamGrace = 5 * time.Second

// listedFunctions bounds the functions that a status lists, of all units together: a
// class may have hundreds, and a status is part of one object in etcd.
const listedFunctions = 1000

// decision is what a reconcile leads to.
type decision struct {
	// status to be stored, before any call is made.
	status pmv1alpha1.ClassDeploymentStatus
	// deploy are the units to send.
	deploy []planner.Unit
	// remove are the units to remove.
	remove []unitKey
	// settled are the units that need no call.
	settled []unitKey
	// gone are the units that leave the status: nothing of them is left.
	gone []unitKey
	// abandoned are those of gone whose cluster went away before it confirmed.
	abandoned []unitKey
	// after is when to look again; 0 when only a change matters.
	after time.Duration
}

// unitView is one planned unit, what is wanted of it and what is known.
type unitView struct {
	pmv1alpha1.DeploymentUnitStatus
	hash string
	seen observation
	// replicas are those that all functions of the unit want, readyReplicas those that
	// serve. While its record is not known, those of the functions that were listed.
	replicas, readyReplicas int32
	// staying is true while a unit that left the plan serves in place of the one
	// that follows it on another cluster.
	staying bool
}

// accepted is true when the cluster has the wanted content.
func (v unitView) accepted() bool { return v.hash != "" && v.DispatchedHash == v.hash }

// decide compares what is planned with what is known of the units.
//
// Every unit that is planned or was ever sent is in the status until its
// removal is confirmed, so a crash at any point forgets none.
func decide(deployment *pmv1alpha1.ClassDeployment, plan planner.Plan, seen map[unitKey]observation, now time.Time) decision {
	var next decision
	deployment.Status.DeepCopyInto(&next.status)
	next.status.Units = nil
	wanted := wantedUnits(deployment, plan)
	var views []unitView

	units := mergeUnits(deployment.Status.Units, wanted)
	for _, unit := range units {
		key := unitKey{unit.Cluster, unit.DeploymentID}
		before := unit
		content, planned := wanted[key]
		unit.Planned = planned
		view := unitView{hash: content.GetHash(), seen: seen[key]}
		if !planned {
			switch {
			case view.seen.clusterGone:
				next.abandoned = append(next.abandoned, key)
				fallthrough
			case view.seen.outcome.gone:
				next.gone = append(next.gone, key)
				continue
			}
		}
		if planned && view.seen.fresh() && view.seen.has(view.hash) {
			// The cluster has it, whatever became of the answer to the call.
			view.seen.outcome, view.seen.silence = outcome{}, ""
		}
		view.seen.fill(&unit)
		view.replicas, view.readyReplicas = countReplicas(unit.Functions)
		unit.Functions = firstFunctions(unit.Functions, max(1, listedFunctions/len(units)))
		if !planned {
			if view.staying = staysForNow(unit, view.seen, plan, seen); view.staying {
				next.settled = append(next.settled, key)
			} else {
				next.remove = append(next.remove, key)
			}
		}
		if planned && content != nil {
			next.addCall(key, content, unit, view.seen, now)
		}
		if before.LastUpdated.IsZero() || !apiequality.Semantic.DeepEqual(before, unit) {
			unit.LastUpdated = metav1.NewTime(now.Truncate(time.Second))
		}
		next.status.Units = append(next.status.Units, unit)
		view.DeploymentUnitStatus = unit
		views = append(views, view)
	}
	summarize(deployment, plan, views, &next.status, now)
	return next
}

// addCall decides whether a planned unit has to be sent.
func (d *decision) addCall(key unitKey, content *deploymentv1.DeploymentUnit, unit pmv1alpha1.DeploymentUnitStatus, seen observation, now time.Time) {
	send := func() { d.deploy = append(d.deploy, planner.Unit{Cluster: key.cluster, Content: content}) }
	switch record := seen.record.Record; {
	case seen.has(content.GetHash()):
		d.settled = append(d.settled, key)
	case seen.outcome.hash == content.GetHash() && now.Sub(seen.outcome.at) < streamGrace:
		d.lookAgain(streamGrace - now.Sub(seen.outcome.at))
	case seen.fresh() && record != nil && record.GetDeletedAt() != nil:
		// The cluster removes it; its record's end brings this unit back here.
	case !seen.fresh() && unit.DispatchedHash == content.GetHash():
		// Accepted earlier. Whether it is still there shows when the cluster is
		// heard of again.
		d.settled = append(d.settled, key)
	default:
		send()
	}
}

func (d *decision) lookAgain(after time.Duration) {
	if d.after == 0 || after < d.after {
		d.after = after
	}
}

// staysForNow is true for a unit that still serves while none of those that
// replace it in its environment does: moving shall not take the class away.
func staysForNow(unit pmv1alpha1.DeploymentUnitStatus, its observation, plan planner.Plan, seen map[unitKey]observation) bool {
	if !unit.Available || its.record.Record == nil || its.record.Record.GetDeletedAt() != nil || its.removal {
		return false
	}
	if plan.Halted {
		return true
	}
	replaced := false
	for _, next := range plan.Units {
		if next.Content.GetEnvironment() != unit.Environment {
			continue
		}
		if seen[unitKey{next.Cluster, next.Content.GetId()}].serves(next.Content.GetHash()) {
			return false
		}
		replaced = true
	}
	return replaced
}

// firstFunctions are as many functions as there is room for, those that are not ready
// before others.
func firstFunctions(functions []pmv1alpha1.FunctionStatus, room int) []pmv1alpha1.FunctionStatus {
	if len(functions) <= room {
		return functions
	}
	ordered := slices.Clone(functions)
	slices.SortStableFunc(ordered, func(a, b pmv1alpha1.FunctionStatus) int {
		return cmp.Compare(a.ReadyReplicas-a.Replicas, b.ReadyReplicas-b.Replicas)
	})
	return slices.Clone(ordered[:room])
}

// wantedUnits are the units that shall run, with nil content where nothing may
// change.
func wantedUnits(deployment *pmv1alpha1.ClassDeployment, plan planner.Plan) map[unitKey]*deploymentv1.DeploymentUnit {
	wanted := map[unitKey]*deploymentv1.DeploymentUnit{}
	if deployment.DeletionTimestamp != nil {
		return wanted
	}
	if plan.Halted {
		for _, unit := range deployment.Status.Units {
			if unit.Planned {
				wanted[unitKey{unit.Cluster, unit.DeploymentID}] = nil
			}
		}
		return wanted
	}
	for _, unit := range plan.Units {
		wanted[unitKey{unit.Cluster, unit.Content.GetId()}] = unit.Content
	}
	return wanted
}

// mergeUnits lists the known units and the new ones, in a stable order.
func mergeUnits(known []pmv1alpha1.DeploymentUnitStatus, wanted map[unitKey]*deploymentv1.DeploymentUnit) []pmv1alpha1.DeploymentUnitStatus {
	units := slices.Clone(known)
	for key, content := range wanted {
		if !slices.ContainsFunc(units, func(u pmv1alpha1.DeploymentUnitStatus) bool {
			return u.Cluster == key.cluster && u.DeploymentID == key.id
		}) {
			units = append(units, pmv1alpha1.DeploymentUnitStatus{
				Cluster: key.cluster, DeploymentID: key.id, Environment: content.GetEnvironment(),
			})
		}
	}
	slices.SortFunc(units, func(a, b pmv1alpha1.DeploymentUnitStatus) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.DeploymentID, b.DeploymentID))
	})
	return units
}
