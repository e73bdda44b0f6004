// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// packageOf makes a package with classes, in a namespace of the test's own.
func packageOf(namespace, name string, classes ...string) *v1alpha1.Package {
	p := &v1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       v1alpha1.PackageSpec{Version: "1.0"},
	}
	for _, key := range classes {
		p.Spec.Classes = append(p.Spec.Classes, classOf(key))
	}
	return p
}

func classOf(key string) v1alpha1.ClassDefinition {
	return v1alpha1.ClassDefinition{Key: key, StateSpec: &v1alpha1.StateSpec{}}
}

func TestParts(t *testing.T) {
	s := runServer(t, dataFolder(t))
	tests := map[string]func(probe){
		"a class and a function can be read":                         partsAreRead,
		"a class that no package has is not found":                   partsAreMissing,
		"selectors select classes and functions":                     partsAreSelected,
		"nobody writes a class":                                      partsAreNotWritten,
		"tables show what kubectl prints":                            partsInTables,
		"pages show one moment while packages change":                pagesOfParts,
		"the pages of one package show one moment":                   pagesOfOnePackage,
		"forged tokens and versions are refused":                     forgedRequests,
		"a watch tells what each write changed":                      watchOfParts,
		"a watch through selectors tells what comes into view":       watchThroughSelectors,
		"a watch resumes in the middle of a write":                   watchResumesWithinAWrite,
		"a streamed list ends with a bookmark, then changes follow":  streamedList,
		"a list at an exact version shows what there was":            exactList,
		"an informer keeps up":                                       informerOfParts,
		"a watch ends when its client says":                          watchTimesOut,
		"ten thousand classes of one package are listed and watched": manyClasses,
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) { test(probe{t, s}) })
	}
}

func partsAreRead(s probe) {
	p := echoPackage("read")
	p.Labels = map[string]string{"team": "a"}
	p = must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	class := must(s.client.PmV1alpha1().Classes(namespace).Get(s.Context(), "read.Echo", metav1.GetOptions{}))(s.T)
	want := &v1alpha1.Class{
		ObjectMeta: metav1.ObjectMeta{
			Name: "read.Echo", Namespace: namespace, UID: class.UID, ResourceVersion: class.ResourceVersion,
			CreationTimestamp: p.CreationTimestamp,
			Labels:            map[string]string{"team": "a", v1alpha1.PackageLabel: "read"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "Package", Name: "read", UID: p.UID,
			}},
		},
		Spec: v1alpha1.ClassSpec{PackageName: "read", PackageVersion: "1.0", ClassDefinition: p.Spec.Classes[0]},
	}
	class.TypeMeta = metav1.TypeMeta{}
	if diff := cmp.Diff(want, class); diff != "" {
		s.Errorf("the class differs (-want +got):\n%s", diff)
	}
	function := must(s.client.PmV1alpha1().Functions(namespace).Get(s.Context(), "read.Echo.echo", metav1.GetOptions{}))(s.T)
	if diff := cmp.Diff(p.Spec.Functions[0], function.Spec.FunctionDefinition); diff != "" {
		s.Errorf("the function differs (-want +got):\n%s", diff)
	}
	if class.UID == "" || class.UID == function.UID || class.UID == p.UID {
		s.Errorf("UIDs are not unique: class %q, function %q, package %q", class.UID, function.UID, p.UID)
	}
}

func partsAreMissing(s probe) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("missing"), metav1.CreateOptions{}))(s.T)
	for _, name := range []string{"missing.Other", "missing", "missing.", ".Echo", "other.Echo", "missing.echo", "a..b"} {
		_, err := s.client.PmV1alpha1().Classes(namespace).Get(s.Context(), name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			s.Errorf("%s: got %v, want not found", name, err)
			continue
		}
		if details := err.(apierrors.APIStatus).Status().Details; details.Kind != "classes" || details.Name != name {
			s.Errorf("%s: the error tells of %s %q, want classes %q", name, details.Kind, details.Name, name)
		}
	}
}

func partsAreSelected(s probe) {
	const namespace = "selected"
	first := packageOf(namespace, "first", "A", "B")
	first.Labels = map[string]string{"team": "a"}
	first.Spec.Classes[1].Disabled = true
	second := packageOf(namespace, "second", "A")
	second.Spec.Functions = []v1alpha1.FunctionDefinition{
		{Key: "image", Provision: &v1alpha1.FunctionProvision{Image: "acme/echo:1"}},
		{Key: "builtin", Type: v1alpha1.FunctionBuiltin},
	}
	for _, p := range []*v1alpha1.Package{first, second} {
		must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	}
	classes := map[string][]string{
		"":                            {"first.A", "first.B", "second.A"},
		"spec.packageName=first":      {"first.A", "first.B"},
		"spec.key=A":                  {"first.A", "second.A"},
		"spec.disabled=true":          {"first.B"},
		"spec.disabled!=true":         {"first.A", "second.A"},
		"metadata.name=second.A":      {"second.A"},
		"metadata.name=second.B":      nil,
		"metadata.name=nothing":       nil,
		"metadata.namespace=selected": {"first.A", "first.B", "second.A"},
		"spec.packageName=../../x":    nil,
	}
	for selector, want := range classes {
		list := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), metav1.ListOptions{FieldSelector: selector}))(s.T)
		if diff := cmp.Diff(want, namesOfParts(s.T, list)); diff != "" {
			s.Errorf("classes by %q (-want +got):\n%s", selector, diff)
		}
	}
	for selector, want := range map[string][]string{
		"pm.oaas.io/package=first": {"first.A", "first.B"}, "team": {"first.A", "first.B"}, "!team": {"second.A"},
	} {
		list := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), metav1.ListOptions{LabelSelector: selector}))(s.T)
		if diff := cmp.Diff(want, namesOfParts(s.T, list)); diff != "" {
			s.Errorf("classes by %q (-want +got):\n%s", selector, diff)
		}
	}
	everywhere := must(s.client.PmV1alpha1().Classes("").List(s.Context(), metav1.ListOptions{FieldSelector: "metadata.namespace=selected,spec.key=B"}))(s.T)
	if diff := cmp.Diff([]string{"first.B"}, namesOfParts(s.T, everywhere)); diff != "" {
		s.Errorf("classes of a namespace by selector (-want +got):\n%s", diff)
	}
	functions := must(s.client.PmV1alpha1().Functions(namespace).List(s.Context(), metav1.ListOptions{FieldSelector: "spec.type=Builtin"}))(s.T)
	if diff := cmp.Diff([]string{"second.builtin"}, namesOfParts(s.T, functions)); diff != "" {
		s.Errorf("functions by type (-want +got):\n%s", diff)
	}
	if _, err := s.client.PmV1alpha1().Classes(namespace).List(s.Context(), metav1.ListOptions{FieldSelector: "spec.other=x"}); !apierrors.IsBadRequest(err) {
		s.Errorf("by a field that cannot be selected: got %v, want a bad request", err)
	}
}

func partsAreNotWritten(s probe) {
	for _, verb := range []string{"POST", "DELETE"} {
		err := s.raw(s.T).Verb(verb).AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/shop/classes").Body([]byte("{}")).Do(s.Context()).Error()
		if !apierrors.IsMethodNotSupported(err) {
			s.Errorf("%s: got %v, want 405", verb, err)
		}
	}
}

func partsInTables(s probe) {
	p := echoPackage("tables")
	p.Namespace = "tables"
	p.Spec.Disabled = true
	must(s.client.PmV1alpha1().Packages("tables").Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	want := map[string][]any{
		"classes":   {"tables.Echo", "tables", "1.0", float64(1), "Stateless", true, ""},
		"functions": {"tables.Echo.echo", "tables", "Custom", "acme/echo:1", true, float64(8080), ""},
	}
	for resource, cells := range want {
		body := must(s.raw(s.T).Get().AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/tables/"+resource).
			SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(s.Context()))(s.T)
		var table metav1.Table
		if err := json.Unmarshal(body, &table); err != nil {
			s.Fatal(err)
		}
		if len(table.Rows) != 1 {
			s.Fatalf("%s: got %d rows, want 1", resource, len(table.Rows))
		}
		if diff := cmp.Diff(cells, table.Rows[0].Cells[:len(cells)]); diff != "" {
			s.Errorf("%s differ (-want +got):\n%s", resource, diff)
		}
	}
}

func informerOfParts(s probe) {
	const namespace = "informed-parts"
	packages := s.client.PmV1alpha1().Packages(namespace)
	p := must(packages.Create(s.Context(), packageOf(namespace, "p", "A", "B"), metav1.CreateOptions{}))(s.T)
	factory := externalversions.NewSharedInformerFactoryWithOptions(s.client, 0, externalversions.WithNamespace(namespace))
	informer := factory.Pm().V1alpha1().Classes().Informer()
	ctx, cancel := context.WithTimeout(s.Context(), readyWithin)
	defer cancel()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		s.Fatal("the informer does not synchronise")
	}
	settles(s.T, "the first classes", func() string { return cmp.Diff([]string{"p.A", "p.B"}, informed(informer)) })
	p.Spec.Classes = p.Spec.Classes[1:]
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	settles(s.T, "after a class left", func() string { return cmp.Diff([]string{"p.B"}, informed(informer)) })
}

func manyClasses(s probe) {
	const namespace, count = "many", 10_000
	packages, classes := s.client.PmV1alpha1().Packages(namespace), s.client.PmV1alpha1().Classes(namespace)
	keys := make([]string, count)
	for i := range keys {
		keys[i] = fmt.Sprintf("K%05d", i)
	}
	p := must(packages.Create(s.Context(), packageOf(namespace, "p", keys...), metav1.CreateOptions{}))(s.T)
	list := must(classes.List(s.Context(), metav1.ListOptions{}))(s.T)
	if len(list.Items) != count {
		s.Fatalf("the list has %d classes, want %d", len(list.Items), count)
	}
	paged, pages := 0, 0
	for options := (metav1.ListOptions{Limit: 500}); ; {
		page := must(classes.List(s.Context(), options))(s.T)
		paged, pages = paged+len(page.Items), pages+1
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
	}
	if paged != count || pages != count/500 {
		s.Errorf("%d pages have %d classes, want %d with %d", pages, paged, count/500, count)
	}

	watched := must(classes.Watch(s.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion}))(s.T)
	defer watched.Stop()
	p.Spec.Disabled = true
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	timeout := time.After(readyWithin)
	for i := range count {
		select {
		case event, open := <-watched.ResultChan():
			if !open || event.Type != watch.Modified {
				s.Fatalf("event %d: got %v, open=%t, want MODIFIED", i, event.Type, open)
			}
		case <-timeout:
			s.Fatalf("told of %d changes, want %d", i, count)
		}
	}
}

func namesOfParts(t *testing.T, list runtime.Object) []string {
	t.Helper()
	var names []string
	items := must(meta.ExtractList(list))(t)
	for _, item := range items {
		names = append(names, must(meta.Accessor(item))(t).GetName())
	}
	return names
}

func informed(informer cache.SharedIndexInformer) []string {
	var names []string
	for _, object := range informer.GetStore().List() {
		names = append(names, object.(*v1alpha1.Class).Name)
	}
	slices.Sort(names)
	return names
}

// settles waits until there is no difference any more.
func settles(t *testing.T, what string, difference func() string) {
	t.Helper()
	var last string
	for begun := time.Now(); time.Since(begun) < readyWithin; time.Sleep(20 * time.Millisecond) {
		if last = difference(); last == "" {
			return
		}
	}
	t.Fatalf("%s (-want +got):\n%s", what, last)
}
