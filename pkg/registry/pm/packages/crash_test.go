// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
)

// announceOnly does what a server does that is killed before it stores the package.
func (s *scene) announceOnly(p *pm.Package) error {
	return s.one.edges.begin(false).announce(s.ctx(), p, s.get(p.Name))
}

// storeOnly does what a server does that is killed after it stored the package:
// everything but what follows.
func (s *scene) storeOnly(p *pm.Package) {
	s.Helper()
	w := s.one.edges.begin(false)
	if _, err := s.one.REST.Create(s.ctx(), p, w.onCreate(rest.ValidateAllObjectFunc), &metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
}

// repair repairs a package until the watch caches have caught up and the lists
// are as wanted.
func (s *scene) repair(names ...string) {
	s.Helper()
	for _, name := range names {
		if err := s.two.Dependents().Repair(s.ctx(), namespace, name); err != nil {
			s.Fatalf("repair %s: %v", name, err)
		}
	}
}

func (s *scene) repairUntil(name string, done func(*pm.Package) bool) {
	s.Helper()
	err := wait.PollUntilContextTimeout(s.ctx(), 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		s.repair(name)
		return done(s.get(name)), nil
	})
	if err != nil {
		s.Fatalf("%s is not repaired: %+v", name, s.get(name))
	}
}

func (s *scene) pass(d time.Duration) { s.clock.SetTime(s.clock.Now().Add(d)) }

func TestAServerThatDiedBeforeItStoredThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1.0"))
	expectError(t, s.announceOnly(pkg("a", "1", "b ^1 : f")), "")

	// For all that anybody knows, the package may be stored at any moment.
	expectError(t, s.delete("b"), "Conflict", "under way", "a", "try again")
	expectError(t, s.update("b", func(p *pm.Package) { p.Spec.Version = "2.0" }), "Conflict", "under way", `"a"`)
	expectError(t, s.update("b", withoutFunction("f")), "Conflict", "under way")
	s.repair("b")
	if len(reservationsOf(s.get("b"))) != 1 {
		t.Error("a write that may be under way lost its reservation")
	}

	// Then it can no longer be, and nobody has to repair anything first.
	s.pass(reservedFor)
	expectError(t, s.update("b", func(p *pm.Package) { p.Spec.Version = "2.0" }), "")
	expectError(t, s.update("b", withoutFunction("f")), "")
	expectError(t, s.delete("b"), "")
}

func TestRepairTakesAwayWhatADeadServerReserved(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	expectError(t, s.announceOnly(pkg("a", "1", "b")), "")
	s.pass(reservedFor)
	s.repairUntil("b", func(p *pm.Package) bool { return len(reservationsOf(p)) == 0 })
	s.expectDependents("b")
}

func TestAServerThatDiedAfterItStoredThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	s.storeOnly(pkg("a", "1", "b ^1"))
	for _, passed := range []time.Duration{0, reservedFor} {
		s.pass(passed)
		// The reservation may count no longer; the package that is stored does.
		expectError(t, s.delete("b"), "Conflict", "other packages depend on it: a")
		expectError(t, s.update("b", func(p *pm.Package) { p.Spec.Version = "2" }), "Invalid", "a (^1)")
	}
	s.repairUntil("b", func(p *pm.Package) bool { return len(p.Status.Dependents) == 1 && len(reservationsOf(p)) == 0 })
	s.expectDependents("b", "a ^1")
}

func TestAServerThatDiedAfterItDeletedThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("kept", "1", "b"), pkg("a", "1", "b"))
	s.one.AfterDelete = nil
	expectError(t, s.delete("a"), "")
	s.expectDependents("b", "a", "kept")
	expectError(t, s.update("b", func(p *pm.Package) { setNeeds(p, "kept") }), "Invalid", "b -> kept -> b")
	expectError(t, s.delete("kept"), "")
	s.expectDependents("b", "a", "kept")

	s.repairUntil("b", func(p *pm.Package) bool { return len(p.Status.Dependents) == 0 })
	expectError(t, s.delete("b"), "")
}

func TestWhatIsGoneNeedsNothingEvenWhenItIsListed(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b ^1 : f"))
	s.one.AfterDelete = nil
	expectError(t, s.delete("a"), "")
	expectError(t, s.update("b", func(p *pm.Package) { withoutFunction("f")(p); p.Spec.Version = "2" }), "")
	expectError(t, s.delete("b"), "")
}

func TestPackagesFromBeforeThereWereListsAreListed(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	if _, err := s.one.REST.Create(s.ctx(), pkg("a", "1", "b : f", "gone"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.expectDependents("b")
	err := wait.PollUntilContextTimeout(s.ctx(), 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		s.repair("a")
		return len(s.get("b").Status.Dependents) == 1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.expectDependents("b", "a : f")
	// What was wrong before the rules does not stand in the way of what is right.
	expectError(t, s.update("a", func(p *pm.Package) { p.Spec.Description = "changed" }), "")
	s.repair("a", "b", "gone")
}

func TestRepairWritesNothingWhereNothingDiffers(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
	s.repairUntil("b", func(p *pm.Package) bool { return len(p.Status.Dependents) == 1 })
	before := s.get("b").ResourceVersion
	s.repair("a", "b")
	if after := s.get("b").ResourceVersion; after != before {
		t.Error("the package was written")
	}
}

func TestTwoWritesUnderWayThatWouldCloseACycleTogether(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("a", "1"), pkg("b", "1", "a"), pkg("c", "1"))
	// One server is about to store c, which depends on b, and takes its time.
	c := s.get("c")
	setNeeds(c, "b")
	expectError(t, s.announceOnly(c), "")
	// So a cannot depend on c now; whether it can later, only the other write knows.
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "c") }), "Conflict", "a -> c -> b -> a", "try again")
	s.expectDependents("c")
	s.pass(reservedFor)
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "c") }), "")
}

func TestAWriteWhoseEndNobodyKnowsKeepsItsReservation(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	ctx, cancel := context.WithCancel(s.ctx())
	w := s.one.edges.begin(false)
	check := w.onCreate(func(context.Context, runtime.Object) error { return nil })
	if err := check(ctx, pkg("a", "1", "b")); err != nil {
		t.Fatal(err)
	}
	cancel()
	w.end(ctx, context.Canceled)
	if len(reservationsOf(s.get("b"))) != 1 {
		t.Fatal("the package may have been stored, and nothing keeps what it needs")
	}
	// A refusal is certain, also for a client that is gone.
	w.end(ctx, cycleError(pkg("a", "1", "b"), []string{"a", "b", "a"}, false))
	s.expectDependents("b")

	w = s.one.edges.begin(false)
	refuse := errors.New("refused by admission")
	if err := w.onCreate(func(context.Context, runtime.Object) error { return refuse })(s.ctx(), pkg("a", "1", "b")); !errors.Is(err, refuse) {
		t.Fatalf("got %v, want what admission said", err)
	}
	w.end(s.ctx(), refuse)
	s.expectDependents("b")
}

// TestAWriteDoesNotTakeAwayWhatAnotherReserved holds what one entry for both, or
// one without an owner, would break.
func TestAWriteDoesNotTakeAwayWhatAnotherReserved(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1"))
	slow := s.one.edges.begin(false)
	a := s.get("a")
	setNeeds(a, "b : f")
	expectError(t, slow.announce(s.ctx(), a, s.get("a")), "")

	// Another write of the same package with the same need is refused meanwhile.
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "b : f", "gone") }), "Invalid", "gone")
	// Yet another goes through, and needs nothing in the end.
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "b : f") }), "")
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p) }), "")

	expectError(t, s.delete("b"), "Conflict", "under way")
	slow.end(s.ctx(), nil)
	s.expectDependents("b")
	expectError(t, s.delete("b"), "")
}
