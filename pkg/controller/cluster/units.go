// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/wording"
)

// Reasons of the condition UnitsOwned.
const (
	// ReasonOwned: a class deployment lists every unit.
	ReasonOwned = "Owned"
	// ReasonUnitsUnowned: units run that no class deployment lists.
	ReasonUnitsUnowned = "UnitsUnowned"
)

// strays finds units that run on clusters without an owner. They are told of and never
// removed: after the restoration of an old snapshot they are what somebody deployed
// since, and the only place that knows of it.
type strays struct {
	// patience is how long a unit must be without an owner before it is told of: the
	// caches of records and of class deployments follow at different speeds.
	patience time.Duration
	// owns tells whether the class deployment that a unit names lists it.
	owns func(cluster string, unit *deploymentv1.DeploymentUnit) bool

	mu sync.Mutex
	// since says, for each cluster that was looked at, since when which units are
	// without an owner.
	since map[string]*look
}

// look is what is known of a cluster.
type look struct {
	began time.Time
	units map[string]time.Time
}

func newStrays(patience time.Duration, owns func(cluster string, unit *deploymentv1.DeploymentUnit) bool) *strays {
	return &strays{patience: patience, owns: owns, since: map[string]*look{}}
}

// find returns the units of a cluster that have been without an owner long enough, in
// the order of the records. known is false until it was looked long enough to tell.
//
// Records that name no class deployment were made on the cluster itself.
func (s *strays) find(cluster string, records []*deploymentv1.DeploymentRecord, now time.Time) (units []string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.since[cluster]
	if before == nil {
		before = &look{began: now}
	}
	present := &look{began: before.began, units: map[string]time.Time{}}
	s.since[cluster] = present
	for _, record := range records {
		unit := record.GetUnit()
		if unit.GetClassDeployment() == "" || record.GetDeletedAt() != nil || s.owns(cluster, unit) {
			continue
		}
		since, found := before.units[unit.GetId()]
		if !found {
			since = now
		}
		present.units[unit.GetId()] = since
		if now.Sub(since) >= s.patience {
			units = append(units, fmt.Sprintf("%s of class deployment %s/%s", unit.GetId(), unit.GetNamespace(), unit.GetClassDeployment()))
		}
	}
	return units, now.Sub(present.began) >= s.patience
}

// forget drops what is known of a cluster that is out of contact, or gone.
func (s *strays) forget(cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, cluster)
}

// lists tells whether a class deployment, nil for none, lists a unit.
func lists(deployment *pmv1alpha1.ClassDeployment, cluster, id string) bool {
	return deployment != nil && slices.ContainsFunc(deployment.Status.Units, func(u pmv1alpha1.DeploymentUnitStatus) bool {
		return u.Cluster == cluster && u.DeploymentID == id
	})
}

// tellOfUnits writes the condition UnitsOwned.
func tellOfUnits(status *pmv1alpha1.ClusterStatus, unowned []string, generation int64, now time.Time) {
	condition := metav1.Condition{
		Type: pmv1alpha1.ClusterUnitsOwned, Status: metav1.ConditionTrue, Reason: ReasonOwned,
		Message:            "a class deployment lists every unit that runs on the cluster",
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	if len(unowned) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, ReasonUnitsUnowned
		condition.Message = wording.Cut(fmt.Sprintf(
			"%s on the cluster, and nothing removes what no class deployment lists: %s: create a class deployment of that name with the cluster in its spec.targetClusters, or delete the record on the cluster",
			countUnits(len(unowned)), wording.Names(unowned)), wording.MessageRoom)
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}

func countUnits(n int) string {
	if n == 1 {
		return "1 unit without an owner runs"
	}
	return fmt.Sprintf("%d units without an owner run", n)
}
