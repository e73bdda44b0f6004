// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestControllers(t *testing.T) {
	loopback := startServer(t)
	startControllers(t, loopback)
	client, err := versioned.NewForConfig(unthrottled(loopback))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(scene){
		"runs":       aClassRunsOnceItsClusterSaysSo,
		"intent":     theStatusListsAUnitBeforeItsClusterHearsOfIt,
		"image":      anotherImageIsSentOnceAndTheSameAgainIsNot,
		"confirm":    aDeploymentStaysUntilItsClusterConfirms,
		"hang":       aClusterThatNeverAnswersHoldsUpNobodyElse,
		"refused":    aRefusedUnitSaysWhyAndGoesOnAfterAChange,
		"lost":       aRecordThatWasLostIsSentAgain,
		"repointed":  anotherClusterBehindTheSameNameGetsTheUnits,
		"moved":      aUnitThatLeftThePlanIsRemoved,
		"abandoned":  aDeploymentOnAClusterThatWentAwayCanBeDeleted,
		"unowned":    aUnitThatNoDeploymentListsIsToldOfAndTakenOver,
		"foreign":    aRecordOfAnotherDeploymentIsNeitherShownNorRemoved,
		"nopackage":  aDeploymentWaitsForItsPackage,
		"undisputed": aTargetThatIsMissedIsToldAndClearedAgain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(scene{T: t, client: client, namespace: name})
		})
	}
}

func aClassRunsOnceItsClusterSaysSo(s scene) {
	at := newRemote(s.T)
	s.cluster("runs", at)
	s.pkg()
	s.waitForCluster("runs")
	s.deployment("cart")
	got := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	for kind, want := range map[string]metav1.ConditionStatus{
		"Planned": metav1.ConditionTrue, "Dispatched": metav1.ConditionTrue, "Available": metav1.ConditionTrue,
		"Progressing": metav1.ConditionFalse, "Degraded": metav1.ConditionFalse,
	} {
		if c := meta.FindStatusCondition(got.Status.Conditions, kind); c == nil || c.Status != want {
			s.Errorf("condition %s is %+v, want %s", kind, c, want)
		}
	}
	if len(got.Status.Units) != 1 || got.Status.Units[0].Cluster != "runs" || got.Status.Units[0].Condition != "Running" || len(got.Status.Units[0].Functions) != 1 {
		s.Errorf("units are %+v, want one that runs on the cluster", got.Status.Units)
	}
	if !slices.Contains(got.Finalizers, pmv1alpha1.ClassDeploymentFinalizer) {
		s.Error("nothing keeps the deployment until its cluster confirms")
	}
	s.eventually("the package names its deployment", func() bool {
		p, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), "store", metav1.GetOptions{})
		return err == nil && slices.Equal(p.Status.Deployments, []string{"cart"}) && meta.IsStatusConditionTrue(p.Status.Conditions, pmv1alpha1.PackageReady)
	})
	s.expectQuiet("cart", 2*time.Second)
}

func theStatusListsAUnitBeforeItsClusterHearsOfIt(s scene) {
	at := newRemote(s.T)
	unlisted := make(chan string, 10)
	at.onDeploy = func(ctx context.Context, unit *deploymentv1.DeploymentUnit) error {
		d, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Get(ctx, unit.GetClassDeployment(), metav1.GetOptions{})
		listed := err == nil && slices.ContainsFunc(d.Status.Units, func(u pmv1alpha1.DeploymentUnitStatus) bool {
			return u.DeploymentID == unit.GetId() && u.Cluster == "intent" && u.Planned
		})
		if !listed || !slices.Contains(d.Finalizers, pmv1alpha1.ClassDeploymentFinalizer) {
			unlisted <- fmt.Sprintf("%+v, %v", d, err)
		}
		return nil
	}
	s.cluster("intent", at)
	s.pkg()
	s.deployment("cart", "intent")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	select {
	case d := <-unlisted:
		s.Errorf("a crash would have forgotten the unit: %s", d)
	default:
	}
}

func anotherImageIsSentOnceAndTheSameAgainIsNot(s scene) {
	at := newRemote(s.T)
	s.cluster("image", at)
	s.pkg()
	s.deployment("cart", "image")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got := at.timesSent(s.id("cart")); got != 1 {
		s.Errorf("the unit was sent %d times, want once", got)
	}
	s.image("registry.example/items:2")
	s.eventually("the new image arrives", func() bool {
		return at.record(s.id("cart")).GetUnit().GetFunctionContainers()[0].GetImage() == "registry.example/items:2"
	})
	s.eventually("the status tells the new content", func() bool {
		return s.get("cart").Status.Units[0].DispatchedHash == at.record(s.id("cart")).GetUnit().GetHash()
	})
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Labels = map[string]string{"x": "y"} })
	s.image("registry.example/items:2")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got := at.timesSent(s.id("cart")); got != 2 {
		s.Errorf("the unit was sent %d times, want twice: once for each content", got)
	}
}

func aDeploymentStaysUntilItsClusterConfirms(s scene) {
	at := newRemote(s.T)
	s.cluster("confirm", at)
	s.pkg()
	s.deployment("cart", "confirm")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.set(func(r *remote) { r.keeps = true })
	s.remove("cart")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentTerminating)
	s.waitForCondition("cart", "Progressing", metav1.ConditionTrue, "Removing", "is being removed from cluster confirm")
	s.eventually("the cluster has begun the removal", func() bool { return at.record(s.id("cart")).GetDeletedAt() != nil })
	if len(s.get("cart").Status.Units) != 1 {
		s.Error("the unit is forgotten before the cluster confirmed")
	}
	at.set(func(r *remote) {
		r.keeps = false
		r.drop(s.id("cart"))
	})
	s.waitUntilGone("cart")
}

func aDeploymentWaitsForItsPackage(s scene) {
	s.cluster("nopackage", newRemote(s.T))
	s.deployment("cart", "nopackage")
	s.waitForCondition("cart", "Planned", metav1.ConditionFalse, "PackageNotFound", `package "store" does not exist`)
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentFailed)
	s.pkg()
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("cart", "Planned", metav1.ConditionTrue, "Planned", "")
}

func aTargetThatIsMissedIsToldAndClearedAgain(s scene) {
	s.cluster("undisputed", newRemote(s.T))
	s.pkg()
	s.deployment("cart", "undisputed")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.Availability = "0.9999" })
	s.waitForCondition("cart", "AvailabilityTargetMet", metav1.ConditionFalse, "TargetMissed", "achieve 0.999")
	got := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got.Status.AchievedAvailability != "0.999" || got.Status.Requirements == nil || got.Status.Requirements.ReplicationFactor != 3 {
		s.Errorf("status tells availability %q and requirements %+v, want 0.999 and 3 copies", got.Status.AchievedAvailability, got.Status.Requirements)
	}
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.Availability = "" })
	s.eventually("the condition is cleared", func() bool {
		return meta.FindStatusCondition(s.get("cart").Status.Conditions, "AvailabilityTargetMet") == nil
	})
}

func TestWhatWasBegunBeforeARestartIsFinishedAfterIt(t *testing.T) {
	loopback := startServer(t)
	client, err := versioned.NewForConfig(unthrottled(loopback))
	if err != nil {
		t.Fatal(err)
	}
	s := scene{T: t, client: client, namespace: "restart"}
	at := newRemote(t)
	at.hangs = true
	s.cluster("restart", at, soonUnreachable)
	s.pkg()
	stop := startControllers(t, loopback)
	s.deployment("cart", "restart")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster restart")
	stop()
	at.set(func(r *remote) { r.hangs = false })

	stop = startControllers(t, loopback)
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	stop()
	s.remove("cart")
	startControllers(t, loopback)
	s.waitUntilGone("cart")
	if at.record(s.id("cart")) != nil {
		t.Error("the unit is still on its cluster")
	}
}

func TestRunControllersNeedsTheOwnAPI(t *testing.T) {
	if err := RunControllers(t.Context(), ControllerConfig{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that names what is missing", err)
	}
}
