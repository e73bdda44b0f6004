// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"slices"
	"strings"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/packages"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

func TestPackages(t *testing.T) {
	loopback := startServer(t)
	startControllers(t, loopback)
	client, err := versioned.NewForConfig(unthrottled(loopback))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(scene){
		"own":          aPackageKeepsItsDeploymentsAsItSays,
		"foreign":      aDeploymentOfSomebodyElseIsNotTouched,
		"interrupted":  whatACrashLeftHalfMadeIsFinished,
		"cascade":      aPackageGoesWhenItsLastUnitHasGone,
		"dependency":   onlyWhatAClassRunsIsSentAgain,
		"switched-off": whatIsDisabledRunsOnAndTakesNothingNew,
		"scaled":       aScaleReachesEveryFunction,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(scene{T: t, client: client, namespace: name})
		})
	}
}

func (s scene) getPackage(name string) *pmv1alpha1.Package {
	s.Helper()
	p, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return p
}

func (s scene) updatePackage(name string, change func(*pmv1alpha1.Package)) *pmv1alpha1.Package {
	s.Helper()
	var updated *pmv1alpha1.Package
	err := retry.RetryOnConflict(persistent, func() (err error) {
		p := s.getPackage(name)
		change(p)
		updated, err = s.client.PmV1alpha1().Packages(s.namespace).Update(s.Context(), p, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return updated
}

func (s scene) waitForPackage(name, kind string, status metav1.ConditionStatus, reason, message string) {
	s.Helper()
	s.eventually(name+" has "+kind+"="+string(status)+" "+reason, func() bool {
		p := s.getPackage(name)
		c := meta.FindStatusCondition(p.Status.Conditions, kind)
		return c != nil && c.Status == status && c.Reason == reason && strings.Contains(c.Message, message) && c.ObservedGeneration == p.Generation
	})
}

// find returns nil for a deployment that does not exist.
func (s scene) find(name string) *pmv1alpha1.ClassDeployment {
	s.Helper()
	d, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func (s scene) own(name string, change ...func(*pmv1alpha1.ClassDeploymentSpec)) pmv1alpha1.PackageDeployment {
	d := pmv1alpha1.PackageDeployment{Name: name, Spec: pmv1alpha1.ClassDeploymentSpec{ClassKey: "Cart", TargetEnvironments: []string{s.namespace}}}
	for _, c := range change {
		c(&d.Spec)
	}
	return d
}

func throughput(rps int64) func(*pmv1alpha1.ClassDeploymentSpec) {
	return func(spec *pmv1alpha1.ClassDeploymentSpec) { spec.NFR.MinThroughputRPS = &rps }
}

func aPackageKeepsItsDeploymentsAsItSays(s scene) {
	s.cluster("own", newRemote(s.T))
	s.waitForCluster("own")
	s.pkg()
	pkg := s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart", throughput(2000))}
	})
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionTrue, packages.ReasonApplied, "1 deployment")
	cart := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if !metav1.IsControlledBy(cart, pkg) || !ptr.Deref(metav1.GetControllerOf(cart).BlockOwnerDeletion, false) || cart.Labels[packages.LabelPackage] != "store" {
		s.Errorf("the deployment has owners %+v and labels %v, want the package as its controller, and its label", cart.OwnerReferences, cart.Labels)
	}
	for _, entry := range cart.ManagedFields {
		if entry.Manager == packages.FieldManager && entry.Operation != metav1.ManagedFieldsOperationApply {
			s.Errorf("the package controller owns %s by %s, want everything by Apply", entry.FieldsV1.GetRawString(), entry.Operation)
		}
	}
	s.expectQuiet("cart", time.Second)

	// What the package says is put right again; what it does not say is the user's.
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) {
		d.Spec.NFR.MinThroughputRPS = ptr.To[int64](1)
		d.Spec.NFR.MaxLatencyMs = ptr.To[int64](50)
		d.Labels["team"] = "web"
	})
	s.eventually("the drift is repaired", func() bool { return ptr.Deref(s.get("cart").Spec.NFR.MinThroughputRPS, 0) == 2000 })
	if got := s.get("cart"); ptr.Deref(got.Spec.NFR.MaxLatencyMs, 0) != 50 || got.Labels["team"] != "web" {
		s.Errorf("latency is %v and labels are %v, want what the user added", got.Spec.NFR.MaxLatencyMs, got.Labels)
	}

	s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart"), s.own("second")}
	})
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionTrue, packages.ReasonApplied, "2 deployments")
	if got := s.get("cart").Spec.NFR; got.MinThroughputRPS != nil || got.MaxLatencyMs == nil {
		s.Errorf("the requirements are %+v, want what the package says no more to be gone, and what the user says to stay", got)
	}
	s.waitForPhase("second", pmv1alpha1.ClassDeploymentRunning)

	s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Deployments = p.Spec.Deployments[1:] })
	s.waitUntilGone("cart")
	s.remove("second")
	s.eventually("one that was deleted is made again", func() bool {
		d := s.find("second")
		return d != nil && d.DeletionTimestamp == nil
	})
	s.eventually("the package counts", func() bool {
		p := s.getPackage("store")
		return p.Status.ClassCount == 1 && p.Status.FunctionCount == 1 && slices.Equal(p.Status.Deployments, []string{"second"})
	})
	// Without a cascade: the package's own deployments go with it.
	if err := s.client.PmV1alpha1().Packages(s.namespace).Delete(s.Context(), "store", metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	s.waitUntilGone("second")
	s.eventually("the package is gone", func() bool {
		_, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), "store", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// A controller that was killed between creating a deployment and applying it owns
// the fields by the creation, which an apply alone would never give up again.
func whatACrashLeftHalfMadeIsFinished(s scene) {
	s.cluster("interrupted", newRemote(s.T))
	s.pkg()
	s.deployment("cart")
	pkg := s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart", throughput(2000))}
	})
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionFalse, packages.ReasonConflict, "cart")
	err := retry.RetryOnConflict(persistent, func() error {
		d := s.get("cart")
		d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pkg, pmv1alpha1.SchemeGroupVersion.WithKind("Package"))}
		d.Spec.NFR.MinThroughputRPS = ptr.To[int64](2000)
		_, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Update(s.Context(), d, metav1.UpdateOptions{FieldManager: packages.FieldManager})
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	uid := s.get("cart").UID
	s.eventually("everything is owned by apply", func() bool {
		d := s.get("cart")
		managed := slices.ContainsFunc(d.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
			return e.Manager == packages.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply
		})
		return managed && !slices.ContainsFunc(d.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
			return e.Manager == packages.FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate
		})
	})
	s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart")} })
	s.eventually("a field that the package says no more is gone", func() bool { return s.get("cart").Spec.NFR.MinThroughputRPS == nil })
	if s.get("cart").UID != uid {
		s.Error("the deployment was made anew")
	}
}

func aDeploymentOfSomebodyElseIsNotTouched(s scene) {
	s.cluster("foreign", newRemote(s.T))
	s.pkg()
	s.deployment("cart")
	before := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart", throughput(2000)), s.own("second")}
	})
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionFalse, packages.ReasonConflict, "class deployment cart exists and does not belong to the package")
	s.waitForPhase("second", pmv1alpha1.ClassDeploymentRunning)
	after := s.get("cart")
	if after.Generation != before.Generation || len(after.OwnerReferences) > 0 || len(after.Labels) > 0 {
		s.Errorf("the deployment became %+v, want it as it was", after)
	}
	s.remove("cart")
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionTrue, packages.ReasonApplied, "2 deployments")
	if s.get("cart").UID == before.UID {
		s.Error("the package took the deployment over")
	}
}

func aPackageGoesWhenItsLastUnitHasGone(s scene) {
	at := newRemote(s.T)
	s.cluster("cascade", at)
	s.pkg()
	s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Deployments = []pmv1alpha1.PackageDeployment{s.own("cart")} })
	s.deployment("other")
	s.waitForPackage("store", pmv1alpha1.PackageDeploymentsApplied, metav1.ConditionTrue, packages.ReasonApplied, "")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.waitForPhase("other", pmv1alpha1.ClassDeploymentRunning)
	at.set(func(r *remote) { r.keeps = true })

	err := s.client.PmV1alpha1().Packages(s.namespace).Delete(s.Context(), "store", metav1.DeleteOptions{})
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "other") {
		s.Fatalf("error %v, want a conflict that names the deployment", err)
	}
	err = s.client.PmV1alpha1().Packages(s.namespace).Delete(s.Context(), "store", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)})
	if err != nil {
		s.Fatal(err)
	}
	s.waitForPackage("store", pmv1alpha1.PackageReady, metav1.ConditionFalse, packages.ReasonTerminating, "waits for 2 class deployments to be undeployed: cart, other")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentTerminating)
	s.waitForPhase("other", pmv1alpha1.ClassDeploymentTerminating)
	at.set(func(r *remote) { r.drop(s.id("other")) })
	s.waitForPackage("store", pmv1alpha1.PackageReady, metav1.ConditionFalse, packages.ReasonTerminating, "waits for 1 class deployment to be undeployed: cart")
	at.set(func(r *remote) {
		r.keeps = false
		r.drop(s.id("cart"))
	})
	s.eventually("the package is gone", func() bool {
		_, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), "store", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if s.find("cart") != nil || s.find("other") != nil {
		s.Error("the package went before its deployments")
	}
}

func (s scene) images() {
	s.Helper()
	function := func(key string) pmv1alpha1.FunctionDefinition {
		return pmv1alpha1.FunctionDefinition{Key: key, Provision: &pmv1alpha1.FunctionProvision{Image: "registry.example/" + key + ":1"}}
	}
	_, err := s.client.PmV1alpha1().Packages(s.namespace).Create(s.Context(), &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: "images"},
		Spec:       pmv1alpha1.PackageSpec{Version: "1.0.0", Functions: []pmv1alpha1.FunctionDefinition{function("resize"), function("crop")}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

func onlyWhatAClassRunsIsSentAgain(s scene) {
	at := newRemote(s.T)
	s.cluster("dependency", at)
	s.waitForCluster("dependency")
	s.images()
	s.pkg()
	s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Dependencies = []pmv1alpha1.PackageDependency{{Name: "images", Version: "^1"}}
		p.Spec.Classes[0].FunctionBindings = append(p.Spec.Classes[0].FunctionBindings, pmv1alpha1.FunctionBinding{Name: "show", FunctionKey: "images.resize"})
	})
	s.waitForPackage("store", pmv1alpha1.PackageDependenciesResolved, metav1.ConditionTrue, packages.ReasonResolved, "")
	s.deployment("cart")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	running := func() []string {
		var images []string
		for _, container := range at.record(s.id("cart")).GetUnit().GetFunctionContainers() {
			images = append(images, container.GetImage())
		}
		return images
	}
	if got := running(); !slices.Equal(got, []string{"registry.example/resize:1", "registry.example/items:1"}) {
		s.Errorf("the unit runs %v, want the function of the dependency and the package's own", got)
	}
	if got := s.get("cart").Status; got.Replicas != 2 || got.ReadyReplicas != 2 {
		s.Errorf("the status counts %d of %d replicas, want 2 of 2: one of each function", got.ReadyReplicas, got.Replicas)
	}

	before := s.get("cart")
	sent := at.timesSent(s.id("cart"))
	s.updatePackage("images", func(p *pmv1alpha1.Package) {
		p.Spec.Version, p.Spec.Functions[1].Provision.Image = "1.1.0", "registry.example/crop:2"
	})
	pkg := s.updatePackage("store", func(p *pmv1alpha1.Package) {
		p.Spec.Version, p.Spec.Description, p.Spec.Tags = "1.1.0", "better", []string{"new"}
		p.Spec.Classes = append(p.Spec.Classes, pmv1alpha1.ClassDefinition{Key: "Order", StateSpec: &pmv1alpha1.StateSpec{}})
	})
	s.eventually("the deployment saw the package", func() bool { return s.get("cart").Status.PackageGeneration == pkg.Generation })
	s.expectQuiet("cart", time.Second)
	after := s.get("cart").DeepCopy()
	after.Status.PackageGeneration = before.Status.PackageGeneration
	if !apiequality.Semantic.DeepEqual(before.Status, after.Status) {
		s.Errorf("a package that changed elsewhere changed the status from %+v to %+v", before.Status, after.Status)
	}
	if got := at.timesSent(s.id("cart")); got != sent {
		s.Errorf("the unit was sent %d times, want %d: nothing of it changed", got, sent)
	}

	s.updatePackage("images", func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Provision.Image = "registry.example/resize:2" })
	s.eventually("the dependency's new image arrives", func() bool { return slices.Contains(running(), "registry.example/resize:2") })
	s.eventually("it was sent once", func() bool { return at.timesSent(s.id("cart")) == sent+1 })
}

func whatIsDisabledRunsOnAndTakesNothingNew(s scene) {
	at := newRemote(s.T)
	s.cluster("switched-off", at)
	s.pkg()
	s.deployment("cart")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	pkg := s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Disabled = true })
	s.eventually("the deployment saw the package", func() bool { return s.get("cart").Status.PackageGeneration == pkg.Generation })
	if got := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning); !meta.IsStatusConditionTrue(got.Status.Conditions, pmv1alpha1.ClassDeploymentPlanned) {
		s.Errorf("conditions are %+v, want the deployment to run on", got.Status.Conditions)
	}
	// Another environment is a new unit, which only the planner can see.
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) {
		d.Spec.TargetEnvironments = []string{s.namespace, s.namespace + "-2"}
	})
	s.waitForCondition("cart", pmv1alpha1.ClassDeploymentPlanned, metav1.ConditionFalse, "FunctionDisabled", `function "items" of package "store" is disabled`)
	if got := at.timesSent(s.id("cart")); got != 1 {
		s.Errorf("the unit that runs was sent %d times, want once", got)
	}
	s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Disabled = false })
	s.waitForCondition("cart", pmv1alpha1.ClassDeploymentPlanned, metav1.ConditionTrue, "Planned", "2 units")
}

func aScaleReachesEveryFunction(s scene) {
	at := newRemote(s.T)
	s.cluster("scaled", at)
	s.pkg()
	s.updatePackage("store", func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Provision.MinScale = ptr.To[int32](2) })
	s.deployment("cart")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	for _, scale := range []struct {
		body string
		want int32
	}{{`{"spec":{"replicas":5}}`, 5}, {`{"spec":{"replicas":0}}`, 0}} {
		err := s.client.PmV1alpha1().RESTClient().Patch(types.MergePatchType).Namespace(s.namespace).Resource("classdeployments").Name("cart").
			SubResource("scale").Body([]byte(scale.body)).Do(s.Context()).Error()
		if err != nil {
			s.Fatal(err)
		}
		s.eventually("every function runs exactly as many", func() bool {
			container := at.record(s.id("cart")).GetUnit().GetFunctionContainers()[0]
			return container.MinReplicas != nil && container.GetMinReplicas() == scale.want && container.MaxReplicas != nil && container.GetMaxReplicas() == scale.want
		})
	}
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}
