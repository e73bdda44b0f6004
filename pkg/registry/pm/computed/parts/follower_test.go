// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// scripted is a store of packages that answers what the test says.
type scripted struct {
	// list is what a list shows; failures are how often it fails before.
	list     *pm.PackageList
	failures int
	// watches are opened one after the other; from are the versions they began at.
	watches chan *watch.FakeWatcher
	from    []string
	// cached are the packages in the cache, by name.
	cached map[string]*pm.Package
}

func (s *scripted) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	if p, found := s.cached[name]; found {
		return p, nil
	}
	return nil, apierrors.NewNotFound(pm.Resource("packages"), name)
}

func (s *scripted) NewList() runtime.Object { return &pm.PackageList{} }

func (s *scripted) ConvertToTable(context.Context, runtime.Object, runtime.Object) (*metav1.Table, error) {
	return nil, errors.ErrUnsupported
}

func (s *scripted) List(context.Context, *internalversion.ListOptions) (runtime.Object, error) {
	if s.failures > 0 {
		s.failures--
		return nil, errors.New("etcd is away")
	}
	return s.list.DeepCopy(), nil
}

func (s *scripted) Watch(ctx context.Context, options *internalversion.ListOptions) (watch.Interface, error) {
	s.from = append(s.from, options.ResourceVersion)
	select {
	case watched := <-s.watches:
		return watched, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// told writes down what a follower tells.
type told []string

func (t *told) reset(write uint64)   { *t = append(*t, fmt.Sprint("reset ", write)) }
func (t *told) nothing(write uint64) { *t = append(*t, fmt.Sprint("nothing until ", write)) }
func (t *told) wrote(write uint64, previous, current *pm.Package) {
	*t = append(*t, fmt.Sprintf("%d: %s -> %s", write, version(previous), version(current)))
}

func version(p *pm.Package) string {
	if p == nil {
		return "none"
	}
	return p.Name + "@" + p.ResourceVersion
}

func named(name string, write int) *pm.Package {
	p := packageWith(write, "A")
	p.Name = name
	return p
}

func listOf(write int, items ...*pm.Package) *pm.PackageList {
	list := &pm.PackageList{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(write)}}
	for _, item := range items {
		list.Items = append(list.Items, *item)
	}
	return list
}

// wrapped is how the store's cache hands out objects that many watch.
type wrapped struct{ *pm.Package }

func (w wrapped) GetObject() runtime.Object { return w.Package }
func (w wrapped) CacheEncode(runtime.Identifier, func(runtime.Object, io.Writer) error, io.Writer) error {
	return errors.ErrUnsupported
}

var _ runtime.CacheableObject = wrapped{}

func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := &scripted{list: listOf(10, named("a", 5)), failures: 2, watches: make(chan *watch.FakeWatcher)}
		var got told
		f := &follower{store: store, feeds: []feed{&got}, clock: clock.RealClock{}}
		go f.run(ctx)

		open := func() *watch.FakeWatcher {
			watched := watch.NewFake()
			store.watches <- watched
			return watched
		}
		first := open()
		first.Add(wrapped{named("b", 11)})
		first.Modify(named("a", 12))
		first.Action(watch.Bookmark, &pm.Package{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "20"}})
		first.Delete(named("b", 21))
		// The store's cache begins anew: the watch ends, the next one goes on.
		first.Stop()
		second := open()
		second.Modify(named("a", 22))
		// What came since then is forgotten.
		store.list = listOf(40, named("a", 22), named("c", 39))
		expired := apierrors.NewResourceExpired("too old").Status()
		second.Error(&expired)
		third := open()
		third.Modify(named("c", 41))
		synctest.Wait()

		want := told{
			"reset 10", "11: none -> b@11", "12: a@5 -> a@12", "nothing until 20", "21: b@11 -> none",
			"22: a@12 -> a@22", "reset 40", "41: c@39 -> c@41",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"10", "21", "40"}, store.from); diff != "" {
			t.Errorf("watches began at (-want +got):\n%s", diff)
		}
	})
}

func TestFollowerKeepsWhatTheCacheHolds(t *testing.T) {
	cached, newer := named("a", 11), named("b", 13)
	f := &follower{store: &scripted{cached: map[string]*pm.Package{"a": cached, "b": newer}}}
	tests := map[string]struct {
		told *pm.Package
		want *pm.Package
	}{
		"the cache has the same version":  {told: named("a", 11), want: cached},
		"the cache has a later version":   {told: named("b", 12)},
		"the cache does not have it more": {told: named("c", 12)},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			want := test.want
			if want == nil {
				want = test.told
			}
			got, err := f.receive(t.Context(), watch.Event{Type: watch.Modified, Object: test.told})
			if err != nil || got != want {
				t.Errorf("got %s at %p, %v, want %s at %p", version(got), got, err, version(want), want)
			}
		})
	}
}

func TestFollowerEndsWhileEtcdIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		packages := &Packages{
			history:  &history{},
			follower: &follower{store: &scripted{failures: 1 << 30}, clock: clock.RealClock{}},
		}
		packages.Start()
		time.Sleep(time.Minute)
		packages.Stop()
		packages.Stop()
		packages.Start()
	})
}

// BenchmarkList lists the parts of 10,000 packages with three classes each.
func BenchmarkList(b *testing.B) {
	list := &pm.PackageList{ListMeta: metav1.ListMeta{ResourceVersion: "20000"}}
	for i := range 10_000 {
		p := packageWith(i+1, "First", "Second", "Third")
		p.Name = fmt.Sprintf("p%05d", i)
		p.UID = "0f9e0c0a-7a3b-4b6c-9a57-3f5f6a3d1c2b"
		list.Items = append(list.Items, *p)
	}
	parts := &source[*pm.Class, pm.ClassDefinition]{kind: classKind(), store: &listed{list: list}, window: computed.NewWindow(computed.WindowOptions{})}
	query := computed.Query{Predicate: storage.SelectionPredicate{Label: labels.Everything(), Field: fields.Everything()}}
	b.ReportAllocs()
	for b.Loop() {
		page, err := parts.List(b.Context(), query)
		if err != nil || len(page.Items) != 30_000 {
			b.Fatalf("got %d classes, %v", len(page.Items), err)
		}
	}
}

// BenchmarkDiff compares two versions of a package with 10,000 classes, one of
// which changed.
func BenchmarkDiff(b *testing.B) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = strings.Repeat("K", 8) + fmt.Sprintf("%05d", i)
	}
	previous, current := packageWith(1, keys...), packageWith(2, keys...)
	current.Spec.Classes[5000].Description = "changed"
	kind := classKind()
	b.ReportAllocs()
	for b.Loop() {
		if events, _ := kind.diff(2, previous, current); len(events) != 1 {
			b.Fatalf("got %d events, want 1", len(events))
		}
	}
}

// listed is a store that lists without copying, as the store's cache does.
type listed struct {
	scripted
	list *pm.PackageList
}

func (l *listed) List(context.Context, *internalversion.ListOptions) (runtime.Object, error) {
	return l.list, nil
}
