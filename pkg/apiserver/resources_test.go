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
			Classes: []v1alpha1.ClassDefinition{{
				Key:              "Echo",
				FunctionBindings: []v1alpha1.FunctionBinding{{Name: "echo", FunctionKey: "Echo.echo"}},
			}},
			Functions: []v1alpha1.FunctionDefinition{{
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
	tests := map[string]func(probe){
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
		t.Run(sentence, func(t *testing.T) { test(probe{t, s}) })
	}
}

// probe is one test against the server that they all share.
type probe struct {
	*testing.T
	*server
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

func specWriterLeavesStatus(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := echoPackage("spec-writer")
	p.Generation = 7
	p.Status.Deployments = []string{"forged"}
	p = must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		s.Errorf("created with generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Labels = map[string]string{"a": "b"}
	p.Status.Deployments = []string{"forged"}
	p = must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		s.Errorf("a label gave generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Spec.Description = "changed"
	p = must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Generation != 2 {
		s.Errorf("a changed spec gave generation %d, want 2", p.Generation)
	}
}

func statusWriterLeavesSpec(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := must(client.Create(s.Context(), echoPackage("status-writer"), metav1.CreateOptions{}))(s.T)
	p.Spec.Version = "2.0"
	p.Labels = map[string]string{"a": "b"}
	p.Finalizers = []string{"example.com/forged"}
	p.Status.Deployments = []string{"echo"}
	p = must(client.UpdateStatus(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Spec.Version != "1.0" || p.Generation != 1 || len(p.Labels) != 0 || len(p.Finalizers) != 0 {
		s.Errorf("a status writer changed more than the status: %+v", p)
	}
	if diff := cmp.Diff([]string{"echo"}, p.Status.Deployments); diff != "" {
		s.Errorf("status differs (-want +got):\n%s", diff)
	}
}

func statusNeedsObject(s probe) {
	p := echoPackage("not-there")
	if _, err := s.client.PmV1alpha1().Packages(namespace).UpdateStatus(s.Context(), p, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("got %v, want not found", err)
	}
}

func putCreates(s probe) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Update(s.Context(), echoPackage("put"), metav1.UpdateOptions{}))(s.T)
	if p.UID == "" || p.Generation != 1 {
		s.Errorf("created with UID %q and generation %d", p.UID, p.Generation)
	}
}

func defaultsAreFilledIn(s probe) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("defaults"), metav1.CreateOptions{}))(s.T)
	function, binding := p.Spec.Functions[0], p.Spec.Classes[0].FunctionBindings[0]
	if function.Type != v1alpha1.FunctionCustom || function.Provision.Port != v1alpha1.DefaultFunctionPort || binding.AccessModifier != v1alpha1.AccessPublic {
		s.Errorf("defaults are missing: type %q, port %d, access %q", function.Type, function.Provision.Port, binding.AccessModifier)
	}
}

func deploymentIsKept(s probe) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	d := must(client.Create(s.Context(), echoDeployment("kept"), metav1.CreateOptions{}))(s.T)
	if err := client.Delete(s.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	d = must(client.Get(s.Context(), d.Name, metav1.GetOptions{}))(s.T)
	if d.DeletionTimestamp == nil || !slices.Contains(d.Finalizers, v1alpha1.ClassDeploymentFinalizer) {
		s.Fatalf("a deleted deployment has deletionTimestamp %v and finalizers %v", d.DeletionTimestamp, d.Finalizers)
	}
	d.Finalizers = nil
	if _, err := client.Update(s.Context(), d, metav1.UpdateOptions{}); err != nil {
		s.Fatal(err)
	}
	if _, err := client.Get(s.Context(), d.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("without its finalizer the deployment should be gone, got %v", err)
	}
}

func finalizerSurvivesReplace(s probe) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	must(client.Create(s.Context(), echoDeployment("replaced"), metav1.CreateOptions{}))(s.T)
	d := must(client.Update(s.Context(), echoDeployment("replaced"), metav1.UpdateOptions{}))(s.T)
	if diff := cmp.Diff([]string{v1alpha1.ClassDeploymentFinalizer}, d.Finalizers); diff != "" {
		s.Errorf("finalizers differ (-want +got):\n%s", diff)
	}
}

func dryRunStoresNothing(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	all := []string{metav1.DryRunAll}
	p := must(client.Create(s.Context(), echoPackage("dry"), metav1.CreateOptions{DryRun: all}))(s.T)
	if p.UID == "" {
		s.Error("a dry run should answer as a real one")
	}
	if _, err := client.Get(s.Context(), "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("a dry run stored the package: %v", err)
	}
	invalid := echoPackage("dry")
	invalid.Spec.Version = "x"
	if _, err := client.Create(s.Context(), invalid, metav1.CreateOptions{DryRun: all}); !apierrors.IsInvalid(err) {
		s.Errorf("a dry run should validate, got %v", err)
	}
}

func invalidIsRefused(s probe) {
	p := echoPackage("Invalid")
	p.Spec.Version = "x"
	p.Spec.Functions[0].Provision.Port = 70000
	_, err := s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		s.Fatalf("got %v, want 422 Invalid", err)
	}
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
		fields = append(fields, cause.Field)
	}
	want := []string{"metadata.name", "spec.version", "spec.functions[0].provision.port"}
	if diff := cmp.Diff(want, fields); diff != "" {
		s.Errorf("fields differ (-want +got):\n%s", diff)
	}
}

func managersConflict(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	apply := func(manager, version string) error {
		body := fmt.Appendf(nil, `{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":"applied"},"spec":{"version":%q}}`, version)
		_, err := client.Patch(s.Context(), "applied", types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "1.0"); err != nil {
		s.Fatal(err)
	}
	if err := apply("two", "2.0"); !apierrors.IsConflict(err) {
		s.Errorf("got %v, want a conflict", err)
	}
	if err := apply("one", "2.0"); err != nil {
		s.Errorf("the owner may change its field: %v", err)
	}
}

func fieldsSelect(s probe) {
	client := must(dynamic.NewForConfig(s.config))(s.T)
	values := map[string]map[string]string{
		"Package":         {"spec.disabled": "true", "spec.version": "9.9.9"},
		"ClassDeployment": {"spec.packageName": "selected", "spec.classKey": "Selected", "status.phase": "Failed"},
		"Cluster":         {"spec.region": "moon", "spec.unschedulable": "true", "status.health": "Degraded"},
	}
	p := echoPackage("selected")
	p.Spec.Disabled, p.Spec.Version = true, "9.9.9"
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	d := echoDeployment("selected")
	d.Spec.PackageName, d.Spec.ClassKey = "selected", "Selected"
	d = must(s.client.PmV1alpha1().ClassDeployments(namespace).Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
	d.Status.Phase = v1alpha1.ClassDeploymentFailed
	must(s.client.PmV1alpha1().ClassDeployments(namespace).UpdateStatus(s.Context(), d, metav1.UpdateOptions{}))(s.T)
	c := must(s.client.PmV1alpha1().Clusters().Create(s.Context(), &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "selected"},
		Spec:       v1alpha1.ClusterSpec{Endpoint: "crm:8088", Region: "moon", Unschedulable: true},
	}, metav1.CreateOptions{}))(s.T)
	c.Status.Health = v1alpha1.ClusterDegraded
	must(s.client.PmV1alpha1().Clusters().UpdateStatus(s.Context(), c, metav1.UpdateOptions{}))(s.T)

	for kind, fields := range v1alpha1.SelectableFields() {
		resource := v1alpha1.SchemeGroupVersion.WithResource(strings.ToLower(kind) + "s")
		for _, name := range append(slices.Clone(fields), "metadata.name") {
			value := values[kind][name]
			if name == "metadata.name" {
				value = "selected"
			}
			list, err := client.Resource(resource).List(s.Context(), metav1.ListOptions{FieldSelector: name + "=" + value})
			if err != nil {
				s.Errorf("%s by %s: %v", kind, name, err)
				continue
			}
			if len(list.Items) != 1 || list.Items[0].GetName() != "selected" {
				s.Errorf("%s by %s=%s: got %d objects, want the one", kind, name, value, len(list.Items))
			}
		}
		if _, err := client.Resource(resource).List(s.Context(), metav1.ListOptions{FieldSelector: "spec.other=x"}); !apierrors.IsBadRequest(err) {
			s.Errorf("%s by spec.other: got %v, want a bad request", kind, err)
		}
	}
}

func listInPages(s probe) {
	client := s.client.PmV1alpha1().Packages("pages")
	for i := range 5 {
		p := echoPackage(fmt.Sprint("p", i))
		p.Namespace = "pages"
		must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	}
	var names []string
	options := metav1.ListOptions{Limit: 2}
	for {
		page := must(client.List(s.Context(), options))(s.T)
		for _, p := range page.Items {
			names = append(names, p.Name)
		}
		if page.Continue == "" {
			break
		}
		options.Continue = page.Continue
	}
	if diff := cmp.Diff([]string{"p0", "p1", "p2", "p3", "p4"}, names); diff != "" {
		s.Errorf("names differ (-want +got):\n%s", diff)
	}
	if err := client.DeleteCollection(s.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		s.Fatal(err)
	}
	if left := must(client.List(s.Context(), metav1.ListOptions{}))(s.T); len(left.Items) != 0 {
		s.Errorf("%d packages are left", len(left.Items))
	}
}

func informerSynchronises(s probe) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("informed"), metav1.CreateOptions{}))(s.T)
	ctx, cancel := context.WithTimeout(s.Context(), readyWithin)
	defer cancel()
	factory := externalversions.NewSharedInformerFactory(s.client, 0)
	packages := factory.Pm().V1alpha1().Packages()
	informer := packages.Informer()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		s.Fatal("the informer does not synchronise")
	}
	if _, err := packages.Lister().Packages(namespace).Get("informed"); err != nil {
		s.Error(err)
	}
}

func storedAsProtobuf(s probe) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("stored"), metav1.CreateOptions{}))(s.T)
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{s.etcd}, DialTimeout: 10 * time.Second}))(s.T)
	defer client.Close()
	response := must(client.Get(s.Context(), "/registry/pm.oaas.io/packages/shop/stored"))(s.T)
	if len(response.Kvs) != 1 {
		s.Fatalf("found %d keys, want 1", len(response.Kvs))
	}
	if !bytes.HasPrefix(response.Kvs[0].Value, []byte("k8s\x00")) {
		s.Errorf("stored as %.20q, want protobuf", response.Kvs[0].Value)
	}
}

func tableShows(s probe) {
	must(s.client.PmV1alpha1().Packages("table").Create(s.Context(), func() *v1alpha1.Package {
		p := echoPackage("echo")
		p.Namespace = "table"
		return p
	}(), metav1.CreateOptions{}))(s.T)
	body := must(s.raw(s.T).Get().AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/table/packages").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(s.Context()))(s.T)
	var table metav1.Table
	if err := json.Unmarshal(body, &table); err != nil {
		s.Fatal(err)
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
		s.Errorf("columns differ (-want +got):\n%s", diff)
	}
	if len(table.Rows) != 1 {
		s.Fatalf("got %d rows, want 1", len(table.Rows))
	}
	cells := table.Rows[0].Cells[:6]
	if diff := cmp.Diff([]any{"echo", "1.0", float64(1), float64(1), false, "Unknown"}, cells); diff != "" {
		s.Errorf("cells differ (-want +got):\n%s", diff)
	}
}

func discoveryTells(s probe) {
	client := must(discovery.NewDiscoveryClientForConfig(s.config))(s.T)
	list := must(client.ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String()))(s.T)
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
		s.Errorf("resources differ (-want +got):\n%s", diff)
	}
}

func openAPIDescribes(s probe) {
	body := must(s.raw(s.T).Get().AbsPath("/openapi/v3/apis/pm.oaas.io/v1alpha1").DoRaw(s.Context()))(s.T)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		s.Fatal(err)
	}
	for kind := range v1alpha1.SelectableFields() {
		described := document.Components.Schemas["io.oaas.oaas.pkg.apis.pm.v1alpha1."+kind]
		if want := v1alpha1.SchemeGroupVersion.WithKind(kind); !slices.Contains(described.Kinds, want) {
			s.Errorf("the schema of %s names the kinds %v, want %v", kind, described.Kinds, want)
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
