// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/clusterrecord"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/wording"
)

// unitUnreachable is the condition of a unit whose cluster does not answer; all
// others are the record's own.
const unitUnreachable = "Unreachable"

// unitMessageRoom is the room for the message of a unit, in bytes: there are
// hundreds in one status.
const unitMessageRoom = 1024

// observation is what is known of one unit on its cluster.
type observation struct {
	// record as the cluster last told it.
	record crmclient.RecordState
	// outcome of the last call for the unit.
	outcome outcome
	// removal is true once the removal of the unit was asked for.
	removal bool
	// clusterGone is true when the Cluster object does not exist any more.
	clusterGone bool
	// silence tells why nothing is heard of the cluster; empty while it answers
	// or was not given the time to.
	silence string
}

// belongs is true for a record of the class deployment. Another one's may have the same
// id: ids are short, and who looks long enough finds an environment with which a
// deployment has the id that he wants. It is none of ours then.
func belongs(record *deploymentv1.DeploymentRecord, owner types.NamespacedName) bool {
	return record.GetUnit().GetNamespace() == owner.Namespace && record.GetUnit().GetClassDeployment() == owner.Name
}

// observe collects what is known of a unit. cluster is nil when it is gone.
func (c *Controller) observe(owner types.NamespacedName, key unitKey, cluster *pmv1alpha1.Cluster) observation {
	seen := observation{clusterGone: cluster == nil, outcome: c.dispatcher.outcomeOf(key), removal: c.dispatcher.isRemoving(key)}
	if link, ok := c.pool.Get(key.cluster); ok {
		seen.record = link.Record(key.id)
		if !belongs(seen.record.Record, owner) {
			seen.record.Record = nil
		}
	}
	switch {
	case cluster == nil:
	case crmclient.IsUnreachable(seen.outcome.err):
		seen.silence = seen.outcome.err.Error()
	case seen.record.Stale, !seen.record.Known && cluster.Status.Health == pmv1alpha1.ClusterUnhealthy:
		seen.silence = "cluster " + key.cluster + " does not answer"
		if ready := meta.FindStatusCondition(cluster.Status.Conditions, pmv1alpha1.ClusterReady); ready != nil && ready.Status == metav1.ConditionFalse {
			seen.silence += ": " + ready.Message
		}
	}
	return seen
}

// fresh is true when a record that is not there is known to be missing.
func (o observation) fresh() bool { return o.record.Known && !o.record.Stale }

// has is true when the cluster's record is known to hold the content, and is not
// on its way out.
func (o observation) has(hash string) bool {
	record := o.record.Record
	return record != nil && record.GetUnit().GetHash() == hash && record.GetDeletedAt() == nil
}

// serves is true when the unit is known to be available with the content, no
// older pods among them.
func (o observation) serves(hash string) bool {
	return o.fresh() && o.settled(hash) && clusterrecord.ConditionTrue(o.record.Record.GetStatus(), "Available")
}

// fill writes what is known of a unit into its status. What is unknown stays as
// it was last seen.
func (o observation) fill(unit *pmv1alpha1.DeploymentUnitStatus) {
	record := o.record.Record
	switch {
	case record != nil:
		status := record.GetStatus()
		unit.Condition = clusterrecord.ConditionOf(record)
		unit.Phase = clusterrecord.PhaseName(status.GetPhase())
		unit.Message = status.GetMessage()
		unit.Available = clusterrecord.ConditionTrue(status, "Available")
		unit.Degraded = clusterrecord.ConditionTrue(status, "Degraded") || status.GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_FAILED
		unit.Functions = clusterrecord.FunctionStatuses(status.GetFunctions())
		unit.DispatchedHash = record.GetUnit().GetHash()
	case o.fresh():
		unit.Condition = clusterrecord.ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_PENDING)
		unit.Phase, unit.Message, unit.Functions = "", "", nil
		unit.Available, unit.Degraded = false, false
		unit.DispatchedHash = ""
	case unit.Condition == "":
		unit.Condition = clusterrecord.ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_PENDING)
	}
	if o.outcome.hash != "" {
		// The answer to a call is newer than the stream.
		unit.DispatchedHash = o.outcome.hash
	}
	if !unit.Planned && !o.fresh() && unit.Condition != unitUnreachable {
		unit.Condition = clusterrecord.ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_TERMINATED)
	}
	switch {
	case o.silence != "":
		unit.Condition = unitUnreachable
		unit.Message = o.silence
	case o.outcome.err != nil:
		unit.Message = o.outcome.err.Error()
	case unit.Condition == unitUnreachable:
		// Heard of again, and the record is about to follow.
		unit.Condition = clusterrecord.ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_PENDING)
		unit.Message = ""
	}
	unit.Message = wording.Cut(unit.Message, unitMessageRoom)
}

// settled is true when the unit's record is at rest with the wanted content.
func (o observation) settled(hash string) bool {
	if !o.has(hash) || !o.record.Record.GetStatus().GetCurrent() {
		return false
	}
	switch o.record.Record.GetStatus().GetCondition() {
	case deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING, deploymentv1.RecordCondition_RECORD_CONDITION_FAILED:
		return true
	case deploymentv1.RecordCondition_RECORD_CONDITION_UNSPECIFIED, deploymentv1.RecordCondition_RECORD_CONDITION_PENDING,
		deploymentv1.RecordCondition_RECORD_CONDITION_PROVISIONING, deploymentv1.RecordCondition_RECORD_CONDITION_SCALING,
		deploymentv1.RecordCondition_RECORD_CONDITION_TERMINATED:
		return false
	default:
		return false
	}
}
