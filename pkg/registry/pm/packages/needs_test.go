// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

// texts writes needs such as "b >=1 : f g".
func texts(needs map[string]need) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		text := strings.TrimSpace(name + " " + needs[name].versions)
		if functions := needs[name].functions; len(functions) > 0 {
			text += " : " + strings.Join(functions, " ")
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func TestNeedsOfAPackage(t *testing.T) {
	bind := func(keys ...string) func(*pm.Package) {
		return func(p *pm.Package) {
			for _, key := range keys {
				p.Spec.Classes = append(p.Spec.Classes, pm.ClassDefinition{
					Key: "K" + key, FunctionBindings: []pm.FunctionBinding{{Name: "m", FunctionKey: key}},
				})
			}
		}
	}
	for sentence, test := range map[string]struct {
		needs  []string
		change func(*pm.Package)
		want   string
	}{
		"a package without dependencies needs nothing":  {nil, bind("f"), ""},
		"a dependency without a binding":                {[]string{"b >=1"}, bind("f"), "b >=1"},
		"functions are told in order, each once":        {[]string{"b"}, bind("b.z", "b.a", "b.z"), "b : a z"},
		"a function's own dots are kept":                {[]string{"b"}, bind("b.Image.resize"), "b : Image.resize"},
		"a function of a package that is no dependency": {[]string{"b"}, bind("c.f"), "b"},
		"a function of the package itself wins over another": {[]string{"b"}, func(p *pm.Package) {
			bind("b.f")(p)
			p.Spec.Functions = append(p.Spec.Functions, pm.FunctionDefinition{Key: "b.f"})
		}, "b"},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := pkg("a", "1", test.needs...)
			test.change(p)
			if got := texts(needsOf(p)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if needsOf(nil) != nil {
		t.Error("a package that does not exist needs something")
	}
}

func TestWhatAChangeTakesAway(t *testing.T) {
	for sentence, test := range map[string]struct {
		need     need
		old, new *pm.Package
		want     takenAway
	}{
		"a version that stays in the range":       {need{versions: "^1"}, pkg("b", "1.0"), pkg("b", "1.1"), takenAway{}},
		"a version that leaves the range":         {need{versions: "^1"}, pkg("b", "1.0"), pkg("b", "2.0"), takenAway{version: true}},
		"a version that is taken away":            {need{versions: "^1"}, pkg("b", "1.0"), pkg("b", ""), takenAway{version: true}},
		"any version when none is asked for":      {need{}, pkg("b", "1.0"), pkg("b", ""), takenAway{}},
		"a version that did not fit before":       {need{versions: "^1"}, pkg("b", "2.0"), pkg("b", "2.0"), takenAway{}},
		"a function that did not exist before":    {need{functions: []string{"lost"}}, pkg("b", "1"), pkg("b", "1"), takenAway{}},
		"a bound function":                        {need{functions: []string{"f", "g"}}, pkg("b", "1"), without("f"), takenAway{functions: []string{"f"}}},
		"a function that the other does not bind": {need{functions: []string{"g"}}, pkg("b", "1"), without("f"), takenAway{}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := test.need.takesAway(test.new, test.old, removedFunctions(test.new, test.old))
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(takenAway{})); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

func without(function string) *pm.Package {
	p := pkg("b", "1")
	withoutFunction(function)(p)
	return p
}

func TestADraftTellsWhatIsNeededAndNothingElse(t *testing.T) {
	p := pkg("a", "1", "b >=1 : f", "c : g", "d")
	p.Annotations = map[string]string{"note": "long"}
	p.Spec.Functions = append(p.Spec.Functions, pm.FunctionDefinition{Key: "b.own"})
	p.Spec.Classes[0].FunctionBindings = append(p.Spec.Classes[0].FunctionBindings, pm.FunctionBinding{FunctionKey: "b.own"})
	needs := needsOf(p)
	delete(needs, "c")
	d := draft(p, needs)
	if diff := cmp.Diff(texts(needs), texts(needsOf(d))); diff != "" {
		t.Errorf("the needs differ (-want +got):\n%s", diff)
	}
	if d.Name != p.Name || d.Namespace != p.Namespace || d.Annotations != nil || d.Spec.Functions != nil || len(d.Spec.Classes[0].FunctionBindings) != 1 {
		t.Errorf("got %+v, want name, namespace and needs only", d)
	}
}

func TestTheListOfDependentsIsBounded(t *testing.T) {
	var dependents []dependent
	for i := range listedDependents + 7 {
		dependents = append(dependents, dependent{name: fmt.Sprintf("p%03d", i), need: need{versions: "^1"}})
	}
	earlier, now := metav1.Unix(1_800_000_000, 0), metav1.Unix(1_800_000_100, 0)
	list := listOf(dependents, []pm.PackageDependent{{Name: "p001", Since: earlier}, {Name: "gone", Since: earlier}}, now)
	if len(list) != listedDependents || list[0].Name != "p000" || list[listedDependents-1].Name != "p099" || list[1].Version != "^1" {
		t.Errorf("got %v, want the first %d by name", list, listedDependents)
	}
	if !list[0].Since.Equal(&now) || !list[1].Since.Equal(&earlier) {
		t.Errorf("got the times %s and %s, want that of a new one and that of one listed before", list[0].Since, list[1].Since)
	}
	if listOf(nil, list, now) != nil {
		t.Error("a package without dependents lists some")
	}
}
