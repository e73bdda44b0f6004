// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"

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

func toVersion(version string) func(*pm.Package) {
	return func(p *pm.Package) { p.Spec.Version = version }
}

func TestAServerThatDiedBeforeItStoredThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1.0"))
	expectError(t, s.announceOnly(pkg("a", "1", "b ^1 : f")), "")

	// For all that anybody knows, the package may be stored at any moment.
	expectError(t, s.delete("b"), "Conflict", "under way", "a", "try again")
	expectError(t, s.update("b", toVersion("2.0")), "Conflict", "under way", `"a"`)
	expectError(t, s.update("b", withoutFunction("f")), "Conflict", "under way")
	expectError(t, s.update("b", toVersion("1.1")), "")
	if diff := cmp.Diff([]string{"a needs b ^1 : f"}, s.notices()); diff != "" {
		t.Errorf("what is under way differs (-want +got):\n%s", diff)
	}

	// Then it can no longer be, and nobody has to repair anything first.
	s.expire()
	expectError(t, s.update("b", toVersion("2.0")), "")
	expectError(t, s.update("b", withoutFunction("f")), "")
	expectError(t, s.delete("b"), "")
}

func TestEtcdForgetsANoticeThatNobodyWithdrew(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	if s.one.edges.notices.life <= requestWithin {
		t.Errorf("a notice lives for %s, and a write may take %s", s.one.edges.notices.life, requestWithin)
	}
	s.one.edges.notices.life = time.Second
	expectError(t, s.announceOnly(pkg("a", "1", "b")), "")
	err := wait.PollUntilContextTimeout(s.ctx(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return len(s.notices()) == 0, nil
	})
	if err != nil {
		t.Errorf("left are %v", s.notices())
	}
	expectError(t, s.delete("b"), "")
}

func TestAServerThatDiedAfterItStoredThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	s.storeOnly(pkg("a", "1", "b ^1"))
	for range 2 {
		expectError(t, s.delete("b"), "Conflict", "other packages depend on it: a")
		expectError(t, s.update("b", toVersion("2")), "Invalid", "a (^1)")
		// The notice may be gone; the package that is stored is not.
		s.expire()
	}
	s.expectDependents("b", "a ^1")
}

// takeOnly does what a server does that is killed before it deletes the package.
func (s *scene) takeOnly(name string) {
	s.Helper()
	if err := s.two.edges.begin(false).mayGo(s.ctx(), s.get(name)); err != nil {
		s.Fatal(err)
	}
}

func TestAServerThatDiedBeforeItDeletedThePackage(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("c", "1"), pkg("a", "1", "b"))
	expectError(t, s.delete("a"), "")
	s.takeOnly("b")

	// For all that anybody knows, b may be deleted at any moment.
	expectError(t, s.create(pkg("a", "1", "b")), "Conflict", `"b"`, "under way", "try again")
	expectError(t, s.create(pkg("a", "1", "c")), "")
	expectError(t, s.update("b", toVersion("2")), "")
	s.expire()
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "b") }), "")
	s.expectDependents("b", "a")
}

func TestAWriteWaitsForOneThatMayTakeAwayWhatItNeeds(t *testing.T) {
	for sentence, test := range map[string]struct {
		deletes bool
		reason  string
	}{
		"it goes on when nothing was taken away":   {},
		"it is refused when what it needs is gone": {deletes: true, reason: "Invalid"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newScene(t)
			s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
			expectError(t, s.delete("a"), "")
			taker := s.two.edges.begin(false)
			if err := taker.mayGo(s.ctx(), s.get("b")); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.create(pkg("a", "1", "b")) }()
			err := wait.PollUntilContextTimeout(s.ctx(), time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
				return slices.Contains(s.notices(), "a needs b"), nil
			})
			if err != nil {
				t.Fatalf("the write does not tell what it needs: %v", err)
			}
			if test.deletes {
				if _, _, err := s.two.REST.Delete(s.ctx(), "b", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err := <-done:
				t.Fatalf("the write did not wait: %v", err)
			default:
			}
			taker.end(s.ctx(), nil)
			expectError(t, <-done, test.reason)
		})
	}
}

// counting counts how often somebody looks at notices.
type counting struct {
	storage.Interface
	looks atomic.Int32
}

func (c *counting) GetList(ctx context.Context, key string, options storage.ListOptions, list runtime.Object) error {
	c.looks.Add(1)
	return c.Interface.GetList(ctx, key, options, list)
}

// What a dead server left behind stands for minutes. Those who need the package
// meanwhile must not wear etcd out.
func TestWhoWaitsLooksEverLessOften(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
	expectError(t, s.delete("a"), "")
	s.takeOnly("b")
	counted := &counting{Interface: s.one.edges.notices.storage}
	s.one.edges.notices.storage = counted
	expectError(t, s.create(pkg("a", "1", "b")), "Conflict", "under way", "try again")
	if looks := counted.looks.Load(); looks < 5 || looks > 40 {
		t.Errorf("looked %d times in %s, want some tens of times at the most", looks, patience)
	}
}

func TestWhatTheCacheOfAnotherServerMissedIsSeen(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1.0"))
	for i := range 20 {
		name := fmt.Sprint("a", i)
		s.mustCreate(pkg(name, "1", "b ^1"))
		// The other server answers at once.
		expectError(t, s.update("b", toVersion("2.0")), "Invalid", name)
		_, _, err := s.two.Delete(s.ctx(), "b", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
		expectError(t, err, "Conflict", name)
		expectError(t, s.delete(name), "")
		expectError(t, s.update("b", toVersion("2.0")), "")
		expectError(t, s.update("b", toVersion("1.0")), "")
	}
}

func TestAPackageThatNobodyEverDependedOnIsDeletedWithoutNotices(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
	for name, want := range map[string]bool{"a": false, "b": true} {
		if got := dependedOn(s.get(name)); got != want {
			t.Errorf("%s is marked: %t, want %t", name, got, want)
		}
	}
	before := s.get("b").ResourceVersion
	s.mustCreate(pkg("another", "1", "b"))
	expectError(t, s.update("another", func(p *pm.Package) { setNeeds(p, "b : f") }), "")
	expectError(t, s.delete("another"), "")
	if after := s.get("b").ResourceVersion; after != before {
		t.Error("a package is written when others begin to depend on it, or end")
	}
}

func TestPackagesFromBeforePackagesWereMarked(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	if _, err := s.one.REST.Create(s.ctx(), pkg("a", "1", "b : f", "gone"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.expectDependents("b", "a : f")
	expectError(t, s.delete("b"), "Conflict", "a")
	// What was wrong before the rules does not stand in the way of what is right.
	expectError(t, s.update("a", func(p *pm.Package) { p.Spec.Description = "changed" }), "")
	for _, name := range []string{"a", "b", "gone"} {
		if err := s.two.Dependents().Refresh(s.ctx(), namespace, name); err != nil {
			t.Error(err)
		}
	}
}

func TestAListThatIsTrueIsNotWritten(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
	s.expectDependents("b", "a")
	before := s.get("b").ResourceVersion
	s.expectDependents("b", "a")
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
	s.expire()
	expectError(t, s.update("a", func(p *pm.Package) { setNeeds(p, "c") }), "")
	s.expectDependents("c", "a")
}

func TestAWriteWhoseEndNobodyKnowsKeepsItsNotices(t *testing.T) {
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
	if len(s.notices()) != 1 {
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

// TestAWriteDoesNotTakeAwayWhatAnotherNeeds holds what one notice for both, or one
// without an owner, would break.
func TestAWriteDoesNotTakeAwayWhatAnotherNeeds(t *testing.T) {
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
