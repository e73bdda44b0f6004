// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

const namespace = "shop"

func echoPackage(name string) *v1alpha1.Package {
	return &v1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.PackageSpec{
			Version: "1.0",
			Classes: []v1alpha1.Class{{
				Key:              "Echo",
				FunctionBindings: []v1alpha1.FunctionBinding{{Name: "echo", FunctionKey: "Echo.echo"}},
			}},
			Functions: []v1alpha1.Function{{
				Key: "Echo.echo", Provision: &v1alpha1.FunctionProvision{Image: "acme/echo:1"},
			}},
		},
	}
}

func echoDeployment(name string) *v1alpha1.ClassDeployment {
	return &v1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       v1alpha1.ClassDeploymentSpec{PackageName: "echo", ClassKey: "Echo"},
	}
}

func TestResources(t *testing.T) {
	s := runServer(t, dataFolder(t))
	tests := map[string]func(*testing.T, *server){
		"a spec writer changes the generation and never the status":     specWriterLeavesStatus,
		"a status writer changes the status and nothing else":           statusWriterLeavesSpec,
		"a status cannot be put on an object that is not there":         statusNeedsObject,
		"a PUT creates what is not there":                               putCreates,
		"defaults are filled in":                                        defaultsAreFilledIn,
		"a class deployment is kept until its finalizer is taken away":  deploymentIsKept,
		"a replaced class deployment keeps its finalizer":               finalizerSurvivesReplace,
		"a dry run stores nothing":                                      dryRunStoresNothing,
		"invalid objects are refused with all errors at once":           invalidIsRefused,
		"two field managers conflict over one field":                    managersConflict,
		"every selectable field selects":                                fieldsSelect,
		"a list comes in pages and a collection is deleted":             listInPages,
		"an informer synchronises from a streamed list":                 informerSynchronises,
		"objects are stored as protobuf under the group's prefix":       storedAsProtobuf,
		"a table shows what kubectl prints":                             tableShows,
		"discovery tells short names, categories and verbs":             discoveryTells,
		"OpenAPI describes the kinds for explain and server-side apply": openAPIDescribes,
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) { test(t, s) })
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func specWriterLeavesStatus(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := echoPackage("spec-writer")
	p.Generation = 7
	p.Status.Deployments = []string{"forged"}
	p = must(client.Create(t.Context(), p, metav1.CreateOptions{}))(t)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		t.Errorf("created with generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Labels = map[string]string{"a": "b"}
	p.Status.Deployments = []string{"forged"}
	p = must(client.Update(t.Context(), p, metav1.UpdateOptions{}))(t)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		t.Errorf("a label gave generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Spec.Description = "changed"
	p = must(client.Update(t.Context(), p, metav1.UpdateOptions{}))(t)
	if p.Generation != 2 {
		t.Errorf("a changed spec gave generation %d, want 2", p.Generation)
	}
}

func statusWriterLeavesSpec(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := must(client.Create(t.Context(), echoPackage("status-writer"), metav1.CreateOptions{}))(t)
	p.Spec.Version = "2.0"
	p.Labels = map[string]string{"a": "b"}
	p.Finalizers = []string{"example.com/forged"}
	p.Status.Deployments = []string{"echo"}
	p = must(client.UpdateStatus(t.Context(), p, metav1.UpdateOptions{}))(t)
	if p.Spec.Version != "1.0" || p.Generation != 1 || len(p.Labels) != 0 || len(p.Finalizers) != 0 {
		t.Errorf("a status writer changed more than the status: %+v", p)
	}
	if diff := cmp.Diff([]string{"echo"}, p.Status.Deployments); diff != "" {
		t.Errorf("status differs (-want +got):\n%s", diff)
	}
}

func statusNeedsObject(t *testing.T, s *server) {
	p := echoPackage("not-there")
	if _, err := s.client.PmV1alpha1().Packages(namespace).UpdateStatus(t.Context(), p, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
}

func putCreates(t *testing.T, s *server) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Update(t.Context(), echoPackage("put"), metav1.UpdateOptions{}))(t)
	if p.UID == "" || p.Generation != 1 {
		t.Errorf("created with UID %q and generation %d", p.UID, p.Generation)
	}
}

func defaultsAreFilledIn(t *testing.T, s *server) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("defaults"), metav1.CreateOptions{}))(t)
	function, binding := p.Spec.Functions[0], p.Spec.Classes[0].FunctionBindings[0]
	if function.Type != v1alpha1.FunctionCustom || function.Provision.Port != v1alpha1.DefaultFunctionPort || binding.AccessModifier != v1alpha1.AccessPublic {
		t.Errorf("defaults are missing: type %q, port %d, access %q", function.Type, function.Provision.Port, binding.AccessModifier)
	}
}

func deploymentIsKept(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	d := must(client.Create(t.Context(), echoDeployment("kept"), metav1.CreateOptions{}))(t)
	if err := client.Delete(t.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	d = must(client.Get(t.Context(), d.Name, metav1.GetOptions{}))(t)
	if d.DeletionTimestamp == nil || !slices.Contains(d.Finalizers, v1alpha1.ClassDeploymentFinalizer) {
		t.Fatalf("a deleted deployment has deletionTimestamp %v and finalizers %v", d.DeletionTimestamp, d.Finalizers)
	}
	d.Finalizers = nil
	if _, err := client.Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), d.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("without its finalizer the deployment should be gone, got %v", err)
	}
}

func finalizerSurvivesReplace(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	must(client.Create(t.Context(), echoDeployment("replaced"), metav1.CreateOptions{}))(t)
	d := must(client.Update(t.Context(), echoDeployment("replaced"), metav1.UpdateOptions{}))(t)
	if diff := cmp.Diff([]string{v1alpha1.ClassDeploymentFinalizer}, d.Finalizers); diff != "" {
		t.Errorf("finalizers differ (-want +got):\n%s", diff)
	}
}

func dryRunStoresNothing(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().Packages(namespace)
	all := []string{metav1.DryRunAll}
	p := must(client.Create(t.Context(), echoPackage("dry"), metav1.CreateOptions{DryRun: all}))(t)
	if p.UID == "" {
		t.Error("a dry run should answer as a real one")
	}
	if _, err := client.Get(t.Context(), "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a dry run stored the package: %v", err)
	}
	invalid := echoPackage("dry")
	invalid.Spec.Version = "x"
	if _, err := client.Create(t.Context(), invalid, metav1.CreateOptions{DryRun: all}); !apierrors.IsInvalid(err) {
		t.Errorf("a dry run should validate, got %v", err)
	}
}

func invalidIsRefused(t *testing.T, s *server) {
	p := echoPackage("Invalid")
	p.Spec.Version = "x"
	p.Spec.Functions[0].Provision.Port = 70000
	_, err := s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), p, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		t.Fatalf("got %v, want 422 Invalid", err)
	}
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes { //nolint:errorlint // a Status is never wrapped by the client
		fields = append(fields, cause.Field)
	}
	want := []string{"metadata.name", "spec.version", "spec.functions[0].provision.port"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields differ (-want +got):\n%s", diff)
	}
}

func managersConflict(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().Packages(namespace)
	apply := func(manager, version string) error {
		body := fmt.Appendf(nil, `{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":"applied"},"spec":{"version":%q}}`, version)
		_, err := client.Patch(t.Context(), "applied", types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "1.0"); err != nil {
		t.Fatal(err)
	}
	if err := apply("two", "2.0"); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want a conflict", err)
	}
	if err := apply("one", "2.0"); err != nil {
		t.Errorf("the owner may change its field: %v", err)
	}
}

func fieldsSelect(t *testing.T, s *server) {
	client := must(dynamic.NewForConfig(s.config))(t)
	values := map[string]map[string]string{
		"Package":         {"spec.disabled": "true", "spec.version": "9.9.9"},
		"ClassDeployment": {"spec.packageName": "selected", "spec.classKey": "Selected", "status.phase": "Failed"},
		"Cluster":         {"spec.region": "moon", "spec.unschedulable": "true", "status.health": "Degraded"},
	}
	p := echoPackage("selected")
	p.Spec.Disabled, p.Spec.Version = true, "9.9.9"
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), p, metav1.CreateOptions{}))(t)
	d := echoDeployment("selected")
	d.Spec.PackageName, d.Spec.ClassKey = "selected", "Selected"
	d = must(s.client.PmV1alpha1().ClassDeployments(namespace).Create(t.Context(), d, metav1.CreateOptions{}))(t)
	d.Status.Phase = v1alpha1.ClassDeploymentFailed
	must(s.client.PmV1alpha1().ClassDeployments(namespace).UpdateStatus(t.Context(), d, metav1.UpdateOptions{}))(t)
	c := must(s.client.PmV1alpha1().Clusters().Create(t.Context(), &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "selected"},
		Spec:       v1alpha1.ClusterSpec{Endpoint: "crm:8088", Region: "moon", Unschedulable: true},
	}, metav1.CreateOptions{}))(t)
	c.Status.Health = v1alpha1.ClusterDegraded
	must(s.client.PmV1alpha1().Clusters().UpdateStatus(t.Context(), c, metav1.UpdateOptions{}))(t)

	for kind, fields := range v1alpha1.SelectableFields() {
		resource := v1alpha1.SchemeGroupVersion.WithResource(strings.ToLower(kind) + "s")
		for _, name := range append(slices.Clone(fields), "metadata.name") {
			value := values[kind][name]
			if name == "metadata.name" {
				value = "selected"
			}
			list, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{FieldSelector: name + "=" + value})
			if err != nil {
				t.Errorf("%s by %s: %v", kind, name, err)
				continue
			}
			if len(list.Items) != 1 || list.Items[0].GetName() != "selected" {
				t.Errorf("%s by %s=%s: got %d objects, want the one", kind, name, value, len(list.Items))
			}
		}
		if _, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.other=x"}); !apierrors.IsBadRequest(err) {
			t.Errorf("%s by spec.other: got %v, want a bad request", kind, err)
		}
	}
}

func listInPages(t *testing.T, s *server) {
	client := s.client.PmV1alpha1().Packages("pages")
	for i := range 5 {
		p := echoPackage(fmt.Sprint("p", i))
		p.Namespace = "pages"
		must(client.Create(t.Context(), p, metav1.CreateOptions{}))(t)
	}
	var names []string
	options := metav1.ListOptions{Limit: 2}
	for {
		page := must(client.List(t.Context(), options))(t)
		for _, p := range page.Items {
			names = append(names, p.Name)
		}
		if page.Continue == "" {
			break
		}
		options.Continue = page.Continue
	}
	if diff := cmp.Diff([]string{"p0", "p1", "p2", "p3", "p4"}, names); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	if err := client.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if left := must(client.List(t.Context(), metav1.ListOptions{}))(t); len(left.Items) != 0 {
		t.Errorf("%d packages are left", len(left.Items))
	}
}

func informerSynchronises(t *testing.T, s *server) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("informed"), metav1.CreateOptions{}))(t)
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	factory := externalversions.NewSharedInformerFactory(s.client, 0)
	packages := factory.Pm().V1alpha1().Packages()
	informer := packages.Informer()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer does not synchronise")
	}
	if _, err := packages.Lister().Packages(namespace).Get("informed"); err != nil {
		t.Error(err)
	}
}

func storedAsProtobuf(t *testing.T, s *server) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("stored"), metav1.CreateOptions{}))(t)
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{s.etcd}, DialTimeout: 10 * time.Second}))(t)
	defer client.Close() //nolint:errcheck // nothing was written
	response := must(client.Get(t.Context(), "/registry/pm.oaas.io/packages/shop/stored"))(t)
	if len(response.Kvs) != 1 {
		t.Fatalf("found %d keys, want 1", len(response.Kvs))
	}
	if !bytes.HasPrefix(response.Kvs[0].Value, []byte("k8s\x00")) {
		t.Errorf("stored as %.20q, want protobuf", response.Kvs[0].Value)
	}
}

func tableShows(t *testing.T, s *server) {
	must(s.client.PmV1alpha1().Packages("table").Create(t.Context(), func() *v1alpha1.Package {
		p := echoPackage("echo")
		p.Namespace = "table"
		return p
	}(), metav1.CreateOptions{}))(t)
	body := must(s.raw(t).Get().AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/table/packages").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context()))(t)
	var table metav1.Table
	if err := json.Unmarshal(body, &table); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, column := range table.ColumnDefinitions {
		columns = append(columns, fmt.Sprintf("%s/%s/%d", column.Name, column.Type, column.Priority))
	}
	want := []string{
		"Name/string/0", "Version/string/0", "Classes/integer/0", "Functions/integer/0", "Disabled/boolean/0",
		"Ready/string/0", "Description/string/1", "Deployments/integer/1", "Age/date/0",
	}
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Errorf("columns differ (-want +got):\n%s", diff)
	}
	if len(table.Rows) != 1 {
		t.Fatalf("got %d rows, want 1", len(table.Rows))
	}
	cells := table.Rows[0].Cells[:6]
	if diff := cmp.Diff([]any{"echo", "1.0", float64(1), float64(1), false, "Unknown"}, cells); diff != "" {
		t.Errorf("cells differ (-want +got):\n%s", diff)
	}
}

func discoveryTells(t *testing.T, s *server) {
	client := must(discovery.NewDiscoveryClientForConfig(s.config))(t)
	list := must(client.ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String()))(t)
	got := map[string]string{}
	for _, r := range list.APIResources {
		slices.Sort(r.Verbs)
		got[r.Name] = fmt.Sprintf("%s %s namespaced=%t %v %v %v", r.Kind, r.SingularName, r.Namespaced, r.ShortNames, r.Categories, []string(r.Verbs))
	}
	const all, status = "[create delete deletecollection get list patch update watch]", "[get patch update]"
	want := map[string]string{
		"packages":                "Package package namespaced=true [opkg] [oaas] " + all,
		"packages/status":         "Package  namespaced=true [] [] " + status,
		"classdeployments":        "ClassDeployment classdeployment namespaced=true [cdep] [oaas] " + all,
		"classdeployments/status": "ClassDeployment  namespaced=true [] [] " + status,
		"clusters":                "Cluster cluster namespaced=false [ocl] [oaas] " + all,
		"clusters/status":         "Cluster  namespaced=false [] [] " + status,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources differ (-want +got):\n%s", diff)
	}
}

func openAPIDescribes(t *testing.T, s *server) {
	body := must(s.raw(t).Get().AbsPath("/openapi/v3/apis/pm.oaas.io/v1alpha1").DoRaw(t.Context()))(t)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	for kind := range v1alpha1.SelectableFields() {
		described := document.Components.Schemas["io.oaas.oaas.pkg.apis.pm.v1alpha1."+kind]
		if want := v1alpha1.SchemeGroupVersion.WithKind(kind); !slices.Contains(described.Kinds, want) {
			t.Errorf("the schema of %s names the kinds %v, want %v", kind, described.Kinds, want)
		}
	}
}

func TestObjectsSurviveARestart(t *testing.T) {
	dir := dataFolder(t)
	first := runServer(t, dir)
	created := must(first.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("durable"), metav1.CreateOptions{}))(t)
	first.stop()

	second := runServer(t, dir)
	found := must(second.client.PmV1alpha1().Packages(namespace).Get(t.Context(), "durable", metav1.GetOptions{}))(t)
	if diff := cmp.Diff(created, found); diff != "" {
		t.Errorf("the package differs after a restart (-before +after):\n%s", diff)
	}
}
