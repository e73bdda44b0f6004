// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// refreshes counts how often the list of the package store was asked for.
type refreshes struct{ asked atomic.Int32 }

func (r *refreshes) Refresh(_ context.Context, _, name string) error {
	if name == "store" {
		r.asked.Add(1)
	}
	return nil
}

// since returns how often it was asked since the last call.
func (r *refreshes) since() int32 {
	synctest.Wait()
	return r.asked.Swap(0)
}

// run runs the controller over one package until the test ends.
func run(t *testing.T, pkg *pmv1alpha1.Package, change ...func(*fake.Clientset)) (versioned.Interface, *refreshes) {
	t.Helper()
	client, asked := fake.NewClientset(pkg), &refreshes{}
	for _, f := range change {
		f(client)
	}
	factory := externalversions.NewSharedInformerFactory(client, 0)
	controller, err := New(Config{
		Client: client, Packages: factory.Pm().V1alpha1().Packages(), ClassDeployments: factory.Pm().V1alpha1().ClassDeployments(),
		Dependents: asked, Events: &events.FakeRecorder{},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	factory.StartWithContext(ctx)
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the controller: %v", err)
		}
		factory.Shutdown()
	})
	return client, asked
}

func TestDependentsThatComeAtOnceCostOneLookASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, asked := run(t, makePackage())
		time.Sleep(time.Minute)
		if got := asked.since(); got == 0 {
			t.Error("a package that came was not looked at")
		}
		packages := client.PmV1alpha1().Packages("shop")
		for _, come := range []bool{true, false} {
			for i := range 50 {
				name := fmt.Sprint("user-", i)
				var err error
				if come {
					_, err = packages.Create(t.Context(), makePackage(dependingOn("store", ""), named(name)), metav1.CreateOptions{})
				} else {
					err = packages.Delete(t.Context(), name, metav1.DeleteOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Minute)
			// Five seconds, and what is left over in the end.
			if got := asked.since(); got < 4 || got > 6 {
				t.Errorf("looked %d times at a package with 50 dependents that come (%t) or go within 5 seconds, want 5 or so", got, come)
			}
		}
	})
}

func TestDeploymentsThatComeAtOnceCostOneWriteASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int32
		client, _ := run(t, makePackage(), func(client *fake.Clientset) {
			client.PrependReactor("update", "packages", func(clienttesting.Action) (bool, runtime.Object, error) {
				writes.Add(1)
				return false, nil, nil
			})
		})
		time.Sleep(time.Minute)
		writes.Store(0)
		for i := range 50 {
			deployment := &pmv1alpha1.ClassDeployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("d-", i), UID: types.UID(fmt.Sprint(i))},
				Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"},
			}
			if _, err := client.PmV1alpha1().ClassDeployments("shop").Create(t.Context(), deployment, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		// What the fake stores has no version, which makes it look a few times more.
		if got := writes.Load(); got < 4 || got > 12 {
			t.Errorf("the package was written %d times for 50 deployments that come within 5 seconds, want 5 or so", got)
		}
		store, err := client.PmV1alpha1().Packages("shop").Get(t.Context(), "store", metav1.GetOptions{})
		if err != nil || len(store.Status.Deployments) != 50 {
			t.Errorf("%d deployments are listed (%v), want 50", len(store.Status.Deployments), err)
		}
	})
}

// A package of megabytes may have no room for what its status has to say.
func TestAPackageGoesThoughItsStatusCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		going := makePackage(func(p *pmv1alpha1.Package) {
			p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: now}, []string{pmv1alpha1.PackageFinalizer}
		})
		client, _ := run(t, going, func(client *fake.Clientset) {
			client.PrependReactor("update", "packages", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewRequestEntityTooLargeError("1.5 MiB")
			})
		})
		time.Sleep(time.Minute)
		left, err := client.PmV1alpha1().Packages("shop").Get(t.Context(), "store", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) && len(left.Finalizers) > 0 {
			t.Errorf("the package still has the finalizers %v (%v)", left.Finalizers, err)
		}
	})
}

func TestDependentsAreListedThoughDeploymentsCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listing := makePackage(func(p *pmv1alpha1.Package) {
			p.Spec.Deployments = []pmv1alpha1.PackageDeployment{{Name: "cart", Spec: pmv1alpha1.ClassDeploymentSpec{ClassKey: "Cart"}}}
		})
		_, asked := run(t, listing, func(client *fake.Clientset) {
			client.PrependReactor("create", "classdeployments", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("a webhook does not answer")
			})
		})
		time.Sleep(time.Minute)
		if asked.since() == 0 {
			t.Error("the package's dependents were not looked at")
		}
	})
}

func named(name string) func(*pmv1alpha1.Package) {
	return func(p *pmv1alpha1.Package) { p.Name, p.UID = name, types.UID(name) }
}
