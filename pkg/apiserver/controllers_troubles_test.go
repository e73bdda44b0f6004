// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func aClusterThatNeverAnswersHoldsUpNobodyElse(s scene) {
	good, bad := newRemote(s.T), newRemote(s.T)
	bad.hangs = true
	s.cluster("hang-good", good)
	s.cluster("hang-bad", bad, soonUnreachable)
	s.pkg()
	for i := range 20 {
		s.deployment(fmt.Sprintf("bad-%d", i), "hang-bad")
	}
	s.deployment("both", "hang-good", "hang-bad")
	s.deployment("good", "hang-good")
	s.waitForPhase("good", pmv1alpha1.ClassDeploymentRunning)
	s.eventually("the unit on the good cluster runs", func() bool { return good.record(s.id("both")) != nil })
	s.waitForCondition("both", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster hang-bad")
	s.waitForPhase("both", pmv1alpha1.ClassDeploymentDegraded)
	s.eventually("the bad cluster is unhealthy", func() bool {
		c, err := s.client.PmV1alpha1().Clusters().Get(s.Context(), "hang-bad", metav1.GetOptions{})
		return err == nil && c.Status.Health == pmv1alpha1.ClusterUnhealthy && meta.IsStatusConditionFalse(c.Status.Conditions, pmv1alpha1.ClusterReady)
	})

	bad.set(func(r *remote) { r.hangs = false })
	s.waitForPhase("both", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("both", "Dispatched", metav1.ConditionTrue, "Accepted", "")
	for i := range 20 {
		s.waitForPhase(fmt.Sprintf("bad-%d", i), pmv1alpha1.ClassDeploymentRunning)
	}
}

// After the restoration of an old snapshot a cluster runs what nobody here knows of.
func aUnitThatNoDeploymentListsIsToldOfAndTakenOver(s scene) {
	at := newRemote(s.T)
	s.cluster("unowned", at)
	s.waitForCluster("unowned")
	s.pkg()
	s.deployment("cart", "unowned")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	units := func(status metav1.ConditionStatus) *metav1.Condition {
		s.Helper()
		var found *metav1.Condition
		s.eventually(fmt.Sprintf("UnitsOwned of the cluster is %s", status), func() bool {
			c, err := s.client.PmV1alpha1().Clusters().Get(s.Context(), "unowned", metav1.GetOptions{})
			if err != nil {
				return false
			}
			found = meta.FindStatusCondition(c.Status.Conditions, pmv1alpha1.ClusterUnitsOwned)
			return found != nil && found.Status == status
		})
		return found
	}
	units(metav1.ConditionTrue)

	stray := &deploymentv1.DeploymentUnit{Id: s.id("later"), Namespace: s.namespace, ClassDeployment: "later", Environment: s.namespace}
	if _, err := at.Deploy(s.Context(), &deploymentv1.DeployRequest{Unit: stray}); err != nil {
		s.Fatal(err)
	}
	told := units(metav1.ConditionFalse).Message
	if !strings.Contains(told, stray.GetId()+" of class deployment "+s.namespace+"/later") || strings.Contains(told, s.id("cart")) {
		s.Errorf("the condition says %q, want it to name the unit of later alone", told)
	}
	if at.record(stray.GetId()) == nil {
		s.Error("the unit was removed, though somebody may need it")
	}

	s.deployment("later", "unowned")
	s.waitForPhase("later", pmv1alpha1.ClassDeploymentRunning)
	units(metav1.ConditionTrue)
}

// Ids of units are short, so that names of objects can be made of them: whoever looks
// long enough finds an environment by which a deployment has the id of another one's.
func aRecordOfAnotherDeploymentIsNeitherShownNorRemoved(s scene) {
	at := newRemote(s.T)
	theirs := &deploymentv1.DeploymentUnit{Id: s.id("cart"), Namespace: "somebody-else", ClassDeployment: "cart", Environment: "prod", Hash: "theirs"}
	if _, err := at.Deploy(s.Context(), &deploymentv1.DeployRequest{Unit: theirs}); err != nil {
		s.Fatal(err)
	}
	at.onDeploy = refuse(codes.AlreadyExists, "belongs to ClassDeployment somebody-else/cart: use another id")
	s.cluster("foreign", at)
	s.waitForCluster("foreign")
	s.pkg()
	s.deployment("cart", "foreign")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "UnitRefused", "somebody-else/cart")
	if units := s.get("cart").Status.Units; len(units) != 1 || units[0].Available || units[0].DispatchedHash != "" {
		s.Errorf("the status lists %+v, want a unit of which nothing runs", units)
	}
	s.remove("cart")
	s.waitUntilGone("cart")
	if left := at.record(theirs.GetId()); left == nil || left.GetDeletedAt() != nil {
		s.Error("the record of another deployment was removed")
	}
}

func aRefusedUnitSaysWhyAndGoesOnAfterAChange(s scene) {
	at := newRemote(s.T)
	at.onDeploy = refuse(codes.InvalidArgument, "image is not allowed here")
	s.cluster("refused", at)
	s.waitForCluster("refused")
	s.pkg()
	s.deployment("cart", "refused")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "UnitRefused", "image is not allowed here")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentFailed)
	s.expectQuiet("cart", time.Second)
	at.set(func(r *remote) { r.onDeploy = nil })
	s.image("registry.example/items:2")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("cart", "Dispatched", metav1.ConditionTrue, "Accepted", "")
}

func aRecordThatWasLostIsSentAgain(s scene) {
	at := newRemote(s.T)
	s.cluster("lost", at)
	s.pkg()
	s.deployment("cart", "lost")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.lose(s.id("cart"))
	s.eventually("the record is back", func() bool { return at.record(s.id("cart")) != nil })
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func anotherClusterBehindTheSameNameGetsTheUnits(s scene) {
	first, second := newRemote(s.T), newRemote(s.T)
	s.cluster("repointed", first)
	s.pkg()
	s.deployment("cart", "repointed")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	patch := fmt.Sprintf(`{"spec":{"endpoint":%q}}`, second.endpoint)
	if _, err := s.client.PmV1alpha1().Clusters().Patch(s.Context(), "repointed", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		s.Fatal(err)
	}
	s.eventually("the unit is on the new cluster", func() bool { return second.record(s.id("cart")) != nil })
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func aUnitThatLeftThePlanIsRemoved(s scene) {
	from, to := newRemote(s.T), newRemote(s.T)
	s.cluster("moved-from", from)
	s.cluster("moved-to", to)
	s.pkg()
	s.deployment("cart", "moved-from")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	from.set(func(r *remote) { r.keeps = true })
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.TargetClusters = []string{"moved-to"} })
	s.eventually("the unit runs on the other cluster, and the old one is still listed", func() bool {
		units := s.get("cart").Status.Units
		return len(units) == 2 && units[0].Cluster == "moved-from" && !units[0].Planned && units[1].Planned && units[1].Available
	})
	from.set(func(r *remote) {
		r.keeps = false
		r.drop(s.id("cart"))
	})
	s.eventually("the old unit is off the list", func() bool {
		units := s.get("cart").Status.Units
		return len(units) == 1 && units[0].Cluster == "moved-to"
	})
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func aDeploymentOnAClusterThatWentAwayCanBeDeleted(s scene) {
	at := newRemote(s.T)
	s.cluster("abandoned", at, soonUnreachable)
	s.pkg()
	s.deployment("cart", "abandoned")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.set(func(r *remote) { r.hangs = true })
	s.remove("cart")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster abandoned")
	if err := s.client.PmV1alpha1().Clusters().Delete(s.Context(), "abandoned", metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	s.waitUntilGone("cart")
}
