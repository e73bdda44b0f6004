// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

func fieldsSelect(s probe) {
	client := must(dynamic.NewForConfig(s.config))(s.T)
	values := map[string]map[string]string{
		"Package":         {"spec.disabled": "true", "spec.version": "9.9.9"},
		"ClassDeployment": {"spec.packageName": "selected", "spec.classKey": "Selected", "status.phase": "Failed"},
		"Cluster":         {"spec.region": "moon", "spec.unschedulable": "true", "status.health": "Degraded"},
	}
	p := echoPackage("selected")
	p.Spec.Version = "9.9.9"
	p = must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	d := echoDeployment("selected")
	d.Spec.PackageName, d.Spec.ClassKey = "selected", "Selected"
	d = must(s.client.PmV1alpha1().ClassDeployments(namespace).Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
	d.Status.Phase = v1alpha1.ClassDeploymentFailed
	must(s.client.PmV1alpha1().ClassDeployments(namespace).UpdateStatus(s.Context(), d, metav1.UpdateOptions{}))(s.T)
	// Afterwards: a disabled package takes no new deployments.
	p.Spec.Disabled = true
	must(s.client.PmV1alpha1().Packages(namespace).Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	c := must(s.client.PmV1alpha1().Clusters().Create(s.Context(), &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "selected"},
		Spec:       v1alpha1.ClusterSpec{Endpoint: "crm:8088", Region: "moon", Unschedulable: true},
	}, metav1.CreateOptions{}))(s.T)
	c.Status.Health = v1alpha1.ClusterDegraded
	must(s.client.PmV1alpha1().Clusters().UpdateStatus(s.Context(), c, metav1.UpdateOptions{}))(s.T)

	for kind, wanted := range values {
		resource := v1alpha1.SchemeGroupVersion.WithResource(strings.ToLower(kind) + "s")
		for _, name := range append(slices.Clone(resources.Named(resource.Resource).Fields), "metadata.name") {
			value := wanted[name]
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
		if strings.Contains(r.Name, "/") {
			got[r.Name] = fmt.Sprint([]string(r.Verbs))
			continue
		}
		got[r.Name] = fmt.Sprintf("%s %s namespaced=%t %v %v %v", r.Kind, r.SingularName, r.Namespaced, r.ShortNames, r.Categories, []string(r.Verbs))
	}
	want := map[string]string{}
	for _, r := range resources.All() {
		want[r.Plural] = fmt.Sprintf("%s %s namespaced=%t %v [oaas] %v", r.Kind, r.Singular, r.Namespaced(), r.ShortNames, r.Verbs)
		for name, verbs := range r.Subresources {
			want[r.Plural+"/"+name] = fmt.Sprint(verbs)
		}
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
	for _, kind := range []string{"Package", "ClassDeployment", "Cluster"} {
		described := document.Components.Schemas["io.oaas.oaas.pkg.apis.pm.v1alpha1."+kind]
		if want := v1alpha1.SchemeGroupVersion.WithKind(kind); !slices.Contains(described.Kinds, want) {
			s.Errorf("the schema of %s names the kinds %v, want %v", kind, described.Kinds, want)
		}
	}
}
