// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm"
)

// memory is a source whose objects the test changes.
type memory struct {
	*Live[*pm.Class]
	objects  map[string]*pm.Class
	revision uint64
}

func newMemory(names ...string) *memory {
	window := NewWindow(WindowOptions{})
	m := &memory{objects: map[string]*pm.Class{}, revision: 100}
	m.Live = &Live[*pm.Class]{
		Resource: pm.Resource("classes"),
		Window:   window,
		Snapshot: func() ([]*pm.Class, uint64) {
			var items []*pm.Class
			for _, object := range m.objects {
				items = append(items, object)
			}
			return items, m.revision
		},
		Lookup: func(_, name string) (*pm.Class, bool) {
			object, found := m.objects[name]
			return object, found
		},
	}
	window.Reset(100)
	for _, name := range names {
		m.put(name)
	}
	return m
}

func (m *memory) put(name string) {
	m.revision++
	event := added(name, "x", m.revision)
	if previous, found := m.objects[name]; found {
		event = modified(name, "x", "x", m.revision)
		event.Previous = previous
	}
	m.objects[name] = event.Object.(*pm.Class)
	m.Window.Publish(m.revision, event)
}

func (m *memory) remove(name string) {
	m.revision++
	event := deleted(name, "x", m.revision)
	event.Previous = m.objects[name]
	delete(m.objects, name)
	m.Window.Publish(m.revision, event)
}

func query(limit int64, token string) Query {
	return Query{Limit: limit, Continue: token, Predicate: storage.SelectionPredicate{
		Label: labels.Everything(), Field: fields.Everything(),
		GetAttrs: func(object runtime.Object) (labels.Set, fields.Set, error) {
			return nil, fields.Set{"metadata.name": object.(*pm.Class).Name}, nil
		},
	}}
}

func namesOf(items []*pm.Class) []string {
	var names []string
	for _, item := range items {
		names = append(names, item.Name)
	}
	return names
}

func TestPagesShowOneMoment(t *testing.T) {
	m := newMemory("a", "b", "c", "d", "e")
	first, err := m.List(t.Context(), query(2, ""))
	if err != nil {
		t.Fatal(err)
	}
	if first.Remaining == nil || *first.Remaining != 3 {
		t.Errorf("%v objects remain, want 3", first.Remaining)
	}
	// None of this had happened when the list began.
	m.put("bb")
	m.put("d")
	m.remove("c")
	m.remove("e")
	m.put("e")

	all, token, revision := first.Items, first.Continue, first.Revision
	for token != "" {
		page, err := m.List(t.Context(), query(2, token))
		if err != nil {
			t.Fatal(err)
		}
		if page.Revision != revision {
			t.Errorf("a page is of the revision %d, the first was of %d", page.Revision, revision)
		}
		all, token = append(all, page.Items...), page.Continue
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, namesOf(all)); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
	for _, item := range all {
		if version, _ := ParseRevision(item.ResourceVersion); version > revision {
			t.Errorf("%s is of the revision %d, the list of %d", item.Name, version, revision)
		}
	}
}

func TestTokenOfAForgottenListContinuesWithWhatThereIs(t *testing.T) {
	m := newMemory("a", "b", "c")
	first, err := m.List(t.Context(), query(1, ""))
	if err != nil {
		t.Fatal(err)
	}
	m.put("bb")
	m.Window.Reset(m.revision)

	_, err = m.List(t.Context(), query(1, first.Continue))
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("got %v, want 410 Expired", err)
	}
	token := err.(apierrors.APIStatus).Status().Continue
	rest, err := m.List(t.Context(), query(0, token))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "bb", "c"}, namesOf(rest.Items)); diff != "" {
		t.Errorf("the rest differs (-want +got):\n%s", diff)
	}
}

func TestResourceVersionsBindLists(t *testing.T) {
	m := newMemory("a", "b", "c")
	ask := func(version string, match metav1.ResourceVersionMatch) (Page[*pm.Class], error) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		asked := query(0, "")
		asked.ResourceVersion, asked.Match = version, match
		return m.List(ctx, asked)
	}
	tests := map[string]struct {
		version string
		match   metav1.ResourceVersionMatch
		want    []string
		refused func(error) bool
	}{
		"none shows everything":                {want: []string{"a", "b", "c"}},
		"zero shows what there is":             {version: "0", want: []string{"a", "b", "c"}},
		"an earlier one shows what there is":   {version: "101", match: metav1.ResourceVersionMatchNotOlderThan, want: []string{"a", "b", "c"}},
		"an exact one shows what there was":    {version: "102", match: metav1.ResourceVersionMatchExact, want: []string{"a", "b"}},
		"a forgotten one is expired":           {version: "99", match: metav1.ResourceVersionMatchExact, refused: apierrors.IsResourceExpired},
		"a later one is too large":             {version: "500", match: metav1.ResourceVersionMatchNotOlderThan, refused: storage.IsTooLargeResourceVersion},
		"a later one is too large, exactly":    {version: "500", match: metav1.ResourceVersionMatchExact, refused: storage.IsTooLargeResourceVersion},
		"one that is no number is bad request": {version: "x", refused: apierrors.IsBadRequest},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			page, err := ask(test.version, test.match)
			if test.refused != nil {
				if !test.refused(err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, namesOf(page.Items)); diff != "" {
				t.Errorf("objects differ (-want +got):\n%s", diff)
			}
		})
	}
}
