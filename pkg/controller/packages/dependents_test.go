// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// repairs counts how often it was asked to mend.
type repairs struct{ asked atomic.Int32 }

func (r *repairs) Repair(context.Context, string, string) error {
	r.asked.Add(1)
	return nil
}

// since returns how often it was asked since the last call.
func (r *repairs) since() int32 {
	synctest.Wait()
	return r.asked.Swap(0)
}

// run runs the controller over one package until the test ends.
func run(t *testing.T, pkg *pmv1alpha1.Package) (versioned.Interface, *repairs) {
	t.Helper()
	client, asked := fake.NewClientset(pkg), &repairs{}
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

// reservedBy notes a reservation, as the API server does.
func reservedBy(text string) func(*pmv1alpha1.Package) {
	return func(p *pmv1alpha1.Package) {
		p.Annotations = map[string]string{pmv1alpha1.PackageReservationsAnnotation: text}
	}
}

func TestAReservationThatIsLeftOverIsLookedAtAgain(t *testing.T) {
	reserve, end := reservedBy(`{"id":{"package":"web"}}`), func(p *pmv1alpha1.Package) { p.Annotations = nil }
	for name, test := range map[string]struct {
		start   *pmv1alpha1.Package
		changes []func(*pmv1alpha1.Package)
		// again is true where a look follows without a change, and repeated where
		// others follow that one.
		again, repeated bool
	}{
		"a package without reservations is left alone":                 {start: makePackage()},
		"one that was reserved before the controller started is not":   {start: makePackage(reserve), again: true, repeated: true},
		"one that was reserved afterwards is not either":               {start: makePackage(), changes: []func(*pmv1alpha1.Package){reserve}, again: true, repeated: true},
		"one whose reservation was followed up is looked at once more": {start: makePackage(reserve), changes: []func(*pmv1alpha1.Package){end}, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, asked := run(t, test.start)
				time.Sleep(time.Second)
				if got := asked.since(); got == 0 {
					t.Error("a package that came was not looked at")
				}
				for _, change := range test.changes {
					pkg, err := client.PmV1alpha1().Packages("shop").Get(t.Context(), "store", metav1.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					change(pkg)
					pkg.ResourceVersion = "changed"
					if _, err := client.PmV1alpha1().Packages("shop").Update(t.Context(), pkg, metav1.UpdateOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(lookAgain - time.Minute)
				if got := asked.since(); got != 0 {
					t.Errorf("looked %d times while the reservation may be followed up, want none", got)
				}
				time.Sleep(lookAgain)
				if got := asked.since() > 0; got != test.again {
					t.Errorf("looked again: %t, want %t", got, test.again)
				}
				time.Sleep(lookAgain)
				if got := asked.since() > 0; got != test.repeated {
					t.Errorf("looked yet again: %t, want %t", got, test.repeated)
				}
			})
		})
	}
}
