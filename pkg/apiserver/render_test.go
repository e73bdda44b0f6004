// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestRenderAsksTheClusters(t *testing.T) {
	server := runServer(t, dataFolder(t))
	client := server.client.PmV1alpha1()
	s := scene{T: t, client: server.client, namespace: "default"}
	s.pkg()
	made, err := client.Clusters().Create(t.Context(), &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: pmv1alpha1.ClusterSpec{Endpoint: "127.0.0.1:1"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Status.Health = pmv1alpha1.ClusterHealthy
	if _, err := client.Clusters().UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	spec := pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"}
	render := func(name string, spec *pmv1alpha1.RenderingSpec) (*pmv1alpha1.ClassDeploymentRendering, error) {
		request := client.RESTClient().Get()
		if spec != nil {
			request = client.RESTClient().Post().Body(&pmv1alpha1.ClassDeploymentRendering{Spec: spec})
		}
		answer := &pmv1alpha1.ClassDeploymentRendering{}
		err := request.Namespace("default").Resource("classdeployments").Name(name).SubResource("render").Do(t.Context()).Into(answer)
		return answer, err
	}
	// The cluster is away, so its unit says so; that there is one was planned.
	expect := func(got *pmv1alpha1.ClassDeploymentRendering, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Units) != 1 || got.Units[0].Cluster != "a" || !strings.Contains(got.Units[0].Message, "cluster a: RenderDeployment") {
			t.Errorf("rendering = %+v, want one unit of a that says why it has no objects", got)
		}
	}

	if _, err := render("cart", nil); !apierrors.IsNotFound(err) {
		t.Errorf("the rendering of nothing gives %v, want not found", err)
	}
	got, err := render("cart", &pmv1alpha1.RenderingSpec{Deployment: spec})
	expect(got, err)
	if _, err := client.ClassDeployments("default").Get(t.Context(), "cart", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("rendering has stored the deployment: %v", err)
	}
	if _, err := client.ClassDeployments("default").Create(t.Context(), &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"}, Spec: spec,
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err = render("cart", nil)
	expect(got, err)
	if _, err := render("cart", &pmv1alpha1.RenderingSpec{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.deployment.packageName") {
		t.Errorf("a deployment of no package gives %v, want the field", err)
	}
}
