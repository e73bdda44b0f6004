// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

func TestPlanTellsWhatWouldBeDone(t *testing.T) {
	server := runServer(t, dataFolder(t))
	client := server.client.PmV1alpha1()
	get := func(name, accept string) ([]byte, error) {
		result := client.RESTClient().Get().Namespace("default").Resource("classdeployments").Name(name).SubResource("plan").SetHeader("Accept", accept).Do(t.Context())
		if err := result.Error(); err != nil {
			return nil, err
		}
		return result.Raw()
	}
	plan := func() *pmv1alpha1.ClassDeploymentPlan {
		t.Helper()
		body, err := get("cart", runtime.ContentTypeJSON)
		if err != nil {
			t.Fatal(err)
		}
		plan := &pmv1alpha1.ClassDeploymentPlan{}
		if err := json.Unmarshal(body, plan); err != nil {
			t.Fatal(err)
		}
		return plan
	}
	units := func(plan *pmv1alpha1.ClassDeploymentPlan) string {
		var lines []string
		for _, unit := range plan.Plan.Units {
			lines = append(lines, fmt.Sprintf("%s %s on %s", unit.Action, unit.Environment, unit.Cluster))
		}
		return strings.Join(lines, ", ")
	}

	if _, err := get("nobody", runtime.ContentTypeJSON); !apierrors.IsNotFound(err) {
		t.Errorf("the plan of nothing gives %v, want not found", err)
	}
	_, err := client.ClassDeployments("default").Create(t.Context(), &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"}, Spec: pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := plan(); !got.Plan.Halted || len(got.Plan.Problems) != 1 || got.Plan.Problems[0].Reason != string(planner.PackageNotFound) {
		t.Errorf("plan without a package is %+v, want one that says so", got.Plan)
	}

	s := scene{T: t, client: server.client, namespace: "default"}
	s.pkg()
	if got := plan(); len(got.Plan.Problems) != 1 || got.Plan.Problems[0].Reason != string(planner.NoCluster) {
		t.Errorf("plan without a cluster is %+v, want one that says so", got.Plan)
	}
	made, err := client.Clusters().Create(t.Context(), &pmv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: pmv1alpha1.ClusterSpec{Endpoint: "a.example:443"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Status.Health = pmv1alpha1.ClusterHealthy
	if _, err := client.Clusters().UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	got := plan()
	if got.Kind != "ClassDeploymentPlan" || got.Name != "cart" || got.Plan.PackageGeneration != 1 || got.Plan.Requirements.MinReplicas != 1 || units(got) != "Create default on a" {
		t.Errorf("plan is %+v, want one unit to create on a", got)
	}
	if functions := got.Plan.Units[0].Functions; len(functions) != 1 || functions[0].Image != "registry.example/items:1" || functions[0].MaxReplicas != 2 {
		t.Errorf("functions are %+v, want the items with at most 2 replicas", functions)
	}

	running := s.get("cart")
	running.Status.Units = []pmv1alpha1.DeploymentUnitStatus{
		{Cluster: "a", DeploymentID: got.Plan.Units[0].DeploymentID, Environment: "default", Planned: true, DispatchedHash: "older"},
		{Cluster: "b", DeploymentID: "left", Environment: "edge"},
	}
	if _, err := client.ClassDeployments("default").UpdateStatus(t.Context(), running, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := units(plan()); got != "Update default on a, Remove edge on b" {
		t.Errorf("units are %q, want one to update and one to remove", got)
	}

	body, err := get("cart", "application/json;as=Table;g=meta.k8s.io;v=v1")
	if err != nil || !strings.Contains(string(body), `"kind":"Table"`) || !strings.Contains(string(body), "items 1-2") {
		t.Errorf("table is %s, %v; want one with the bounds of the function", body, err)
	}
}
