// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

func classKind() *Kind[*pm.Class, pm.ClassDefinition] {
	return &Kind[*pm.Class, pm.ClassDefinition]{
		Resource:    resources.Named(resources.Classes),
		Definitions: func(p *pm.Package) []pm.ClassDefinition { return p.Spec.Classes },
		Key:         func(d *pm.ClassDefinition) string { return d.Key },
		Make: func(meta metav1.ObjectMeta, p *pm.Package, d *pm.ClassDefinition) *pm.Class {
			return &pm.Class{ObjectMeta: meta, Spec: pm.ClassSpec{PackageName: p.Name, ClassDefinition: *d}}
		},
	}
}

// packageWith makes a package at a version that is also its generation.
func packageWith(write int, keys ...string) *pm.Package {
	p := &pm.Package{ObjectMeta: metav1.ObjectMeta{
		Name: "echo", Namespace: "shop", UID: "u-1", ResourceVersion: fmt.Sprint(write), Generation: int64(write),
		Labels: map[string]string{"team": "a"},
	}}
	for _, key := range keys {
		p.Spec.Classes = append(p.Spec.Classes, pm.ClassDefinition{Key: key})
	}
	return p
}

func changed(p *pm.Package, change func(*pm.Package)) *pm.Package {
	change(p)
	return p
}

func TestDiffTellsWhatAWriteChanged(t *testing.T) {
	const write = 7
	tests := map[string]struct {
		previous, current *pm.Package
		want              []string
	}{
		"a new package adds all, by key": {
			current: packageWith(7, "C", "A", "B"),
			want:    []string{"ADDED echo.A 0", "ADDED echo.B 1", "ADDED echo.C 2"},
		},
		"a deleted package deletes all": {
			previous: packageWith(6, "B", "A"),
			want:     []string{"DELETED echo.A 0", "DELETED echo.B 1"},
		},
		"classes come, change and go in one order": {
			previous: packageWith(6, "A", "B", "C", "E"),
			current: changed(packageWith(7, "E", "D", "C", "A"), func(p *pm.Package) {
				p.Spec.Classes[2].Description = "changed"
			}),
			want: []string{"DELETED echo.B 0", "MODIFIED echo.C 1", "ADDED echo.D 2"},
		},
		"another order of the same classes is no change": {
			previous: packageWith(6, "A", "B"), current: packageWith(7, "B", "A"),
		},
		"the version of a package is shown by all": {
			previous: packageWith(6, "A", "B"),
			current:  changed(packageWith(7, "A", "B"), func(p *pm.Package) { p.Spec.Version = "2.0" }),
			want:     []string{"MODIFIED echo.A 0", "MODIFIED echo.B 1"},
		},
		"the labels of a package are those of all, though its generation stays": {
			previous: packageWith(6, "A"),
			current: changed(packageWith(7, "A"), func(p *pm.Package) {
				p.Generation, p.Labels = 6, map[string]string{"team": "b"}
			}),
			want: []string{"MODIFIED echo.A 0"},
		},
		"a status changes nothing": {
			previous: packageWith(6, "A"),
			current: changed(packageWith(7, "A"), func(p *pm.Package) {
				p.Generation, p.Status.Deployments = 6, []string{"x"}
			}),
		},
		"an annotation changes nothing": {
			previous: packageWith(6, "A"),
			current: changed(packageWith(7, "A"), func(p *pm.Package) {
				p.Generation, p.Annotations = 6, map[string]string{"a": "b"}
			}),
		},
		"a package without classes changes nothing": {
			previous: packageWith(6), current: packageWith(7),
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			events, counted := classKind().diff(write, test.previous, test.current)
			if !counted {
				t.Error("the changes are said to be too many")
			}
			var got []string
			for _, event := range events {
				class := event.Object.(*pm.Class)
				if class.ResourceVersion != computed.FormatRevision(event.Revision) {
					t.Errorf("%s has the version %s, its event %d", class.Name, class.ResourceVersion, event.Revision)
				}
				at, place := split(event.Revision)
				if at != write {
					t.Errorf("%s changed with the write %d, want %d", class.Name, at, write)
				}
				got = append(got, fmt.Sprintf("%s %s %d", event.Type, class.Name, place))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMoreChangesThanPlacesAreNotCounted(t *testing.T) {
	keys := make([]string, whole)
	for i := range keys {
		keys[i] = fmt.Sprintf("K%05d", i)
	}
	if _, counted := classKind().diff(7, nil, packageWith(7, keys...)); counted {
		t.Errorf("%d changes have no place each, but are said to", len(keys))
	}
	if _, counted := classKind().diff(7, nil, packageWith(7, keys[1:]...)); !counted {
		t.Errorf("%d changes have a place each, but are said not to", len(keys)-1)
	}
}

func TestPartsHaveTheirPackagesMetadata(t *testing.T) {
	p := packageWith(7, "Echo")
	class := classKind().of(p).make(&p.Spec.Classes[0], "1")
	want := metav1.ObjectMeta{
		Name: "echo.Echo", Namespace: "shop", ResourceVersion: "1", UID: class.UID,
		Labels:          map[string]string{"team": "a", pm.PackageLabel: "echo"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "pm.oaas.io/v1alpha1", Kind: "Package", Name: "echo", UID: "u-1"}},
	}
	if diff := cmp.Diff(want, class.ObjectMeta); diff != "" {
		t.Errorf("metadata differs (-want +got):\n%s", diff)
	}
	if len(p.Labels) != 1 {
		t.Errorf("the labels of the package became %v", p.Labels)
	}
}

func TestUIDsAreForEver(t *testing.T) {
	uid := func(change func(*pm.Package)) types.UID {
		p := changed(packageWith(7, "Echo"), change)
		return classKind().of(p).make(&p.Spec.Classes[0], "1").UID
	}
	first := uid(func(*pm.Package) {})
	if want := types.UID("70e7e361-a7bc-5487-9d91-b68f34b0e77f"); first != want {
		t.Errorf("the UID is %s, and was %s before: clients take the object for another", first, want)
	}
	if again := uid(func(p *pm.Package) { p.ResourceVersion, p.Spec.Version = "9", "2.0" }); again != first {
		t.Errorf("another version has the UID %s, want %s", again, first)
	}
	others := []types.UID{
		first,
		uid(func(p *pm.Package) { p.UID = "u-2" }),
		uid(func(p *pm.Package) { p.Spec.Classes[0].Key = "Other" }),
	}
	slices.Sort(others)
	if len(slices.Compact(others)) != 3 {
		t.Errorf("different objects share a UID: %v", others)
	}
}

func TestJoinedVersionsAreInTheOrderOfWritesAndPlaces(t *testing.T) {
	ascending := []uint64{join(6, whole), join(7, 0), join(7, 1), join(7, whole-1), join(7, whole), join(8, 0), join(maxWrite, whole)}
	if !slices.IsSorted(ascending) {
		t.Errorf("%v is not ascending", ascending)
	}
	if write, place := split(join(maxWrite, whole)); write != maxWrite || place != whole {
		t.Errorf("got the write %d and the place %d, want %d and %d", write, place, uint64(maxWrite), whole)
	}
	if int64(join(maxWrite, whole)) < 0 {
		t.Error("the greatest version does not fit a token")
	}
}
