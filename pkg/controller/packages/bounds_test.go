// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"errors"
	"fmt"
	stdruntime "runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// A namespace may have thousands of packages and of deployments. A look at one package
// must not cost a look at the deployments of all others.
func TestALookAtAPackageCostsNothingForTheDeploymentsOfOthers(t *testing.T) {
	factory := externalversions.NewSharedInformerFactory(fake.NewClientset(), 0).Pm().V1alpha1()
	controller, err := New(Config{
		Client: fake.NewClientset(), Packages: factory.Packages(), ClassDeployments: factory.ClassDeployments(), Events: &events.FakeRecorder{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if err := factory.ClassDeployments().Informer().GetIndexer().Add(&pmv1alpha1.ClassDeployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("other-", i)}, Spec: pmv1alpha1.ClassDeploymentSpec{PackageName: "other"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	pkg := makePackage()
	const looks = 20
	var before, after stdruntime.MemStats
	stdruntime.ReadMemStats(&before)
	for range looks {
		if outcome, err := controller.applyDeployments(t.Context(), pkg); err != nil || outcome != (applied{}) {
			t.Fatalf("applying nothing gave %+v, %v", outcome, err)
		}
	}
	stdruntime.ReadMemStats(&after)
	if taken := (after.TotalAlloc - before.TotalAlloc) / looks; taken > 16<<10 {
		t.Errorf("a look took %d KiB", taken>>10)
	}
}

// A deployment of another namespace says of itself what it likes.
func TestADeploymentOfAnotherNamespaceIsNotThePackages(t *testing.T) {
	factory := externalversions.NewSharedInformerFactory(fake.NewClientset(), 0).Pm().V1alpha1()
	controller, err := New(Config{
		Client: fake.NewClientset(), Packages: factory.Packages(), ClassDeployments: factory.ClassDeployments(), Events: &events.FakeRecorder{},
	})
	if err != nil {
		t.Fatal(err)
	}
	pkg := makePackage(deploying("listed", "taken"))
	made := func(namespace, name string, owner bool) {
		t.Helper()
		d := &pmv1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		if owner {
			d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pkg, pmv1alpha1.SchemeGroupVersion.WithKind("Package"))}
		}
		if err := factory.ClassDeployments().Informer().GetIndexer().Add(d); err != nil {
			t.Fatal(err)
		}
	}
	made("elsewhere", "listed", true)
	made("elsewhere", "unlisted", true)
	made("shop", "taken", false)
	made("shop", "left", true)
	made("shop", "unrelated", false)
	existing, err := controller.existing(pkg)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range existing {
		got = append(got, d.Namespace+"/"+d.Name)
	}
	slices.Sort(got)
	if want := []string{"shop/left", "shop/taken"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A policy or a quota may refuse every one of the deployments that a package lists.
// The API takes no condition that tells of all of them.
func TestAPackageTellsOfHundredsOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := make([]string, 0, 500)
		for i := range cap(names) {
			names = append(names, fmt.Sprintf("d-%03d", i))
		}
		client, asked := run(t, makePackage(deploying(names...)), func(client *fake.Clientset) {
			client.PrependReactor("create", "classdeployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
				name := action.(clienttesting.CreateAction).GetObject().(*pmv1alpha1.ClassDeployment).Name
				return true, nil, apierrors.NewForbidden(pmv1alpha1.Resource("classdeployments"), name,
					errors.New("ValidatingAdmissionPolicy 'teams' with binding 'shop' denied request: a deployment must have a label that tells whose it is"))
			})
			client.PrependReactor("update", "packages", func(action clienttesting.Action) (bool, runtime.Object, error) {
				written := action.(clienttesting.UpdateAction).GetObject().(*pmv1alpha1.Package)
				if errs := metav1validation.ValidateConditions(written.Status.Conditions, field.NewPath("status", "conditions")); len(errs) > 0 {
					return true, nil, apierrors.NewInvalid(pmv1alpha1.SchemeGroupVersion.WithKind("Package").GroupKind(), written.Name, errs)
				}
				return false, nil, nil
			})
		})
		time.Sleep(10 * time.Second)
		store, err := client.PmV1alpha1().Packages("shop").Get(t.Context(), "store", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if store.Status.ObservedGeneration != store.Generation {
			t.Error("the status was not written")
		}
		if asked.since() == 0 {
			t.Error("the dependents were not looked at")
		}
	})
}
