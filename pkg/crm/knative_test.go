// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/test/knative"
)

// TestKnativeComesAndGoes installs Knative's own definition while the program runs:
// what may rest is a Knative Service from then on, and something else when Knative is
// removed.
func TestKnativeComesAndGoes(t *testing.T) {
	c := newClient(t)
	p := startProgram(t, func(s *config.Config) { s.Features.Knative = true })
	namespace := newNamespace(t, c)
	resting := func(name string) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) { u.Id = namespace + "-" + name })
	}
	before := resting("before")
	p.deploy(t, before)
	p.waitFor(t, before.GetId(), "a unit runs without Knative", running)

	definition, err := knative.Definition(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), definition) })
	template := &v1alpha1.DeploymentTemplate{ObjectMeta: metav1.ObjectMeta{Name: "knative"}}
	waitForTemplate(t, c, template, "Knative can be used", func(s *v1alpha1.DeploymentTemplateStatus) bool {
		return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.TemplateUsable)
	})
	unit := resting("after")
	p.deploy(t, unit)
	eventually(t, "the Knative Service serves", func(ctx context.Context) error { return actReady(ctx, c, namespace, unit) })
	p.waitFor(t, unit.GetId(), "the unit runs with Knative", running)
	if err := p.usesTemplate(t.Context(), before, "deployment"); err != nil {
		t.Errorf("what ran before was changed: %v", err)
	}

	if err := c.Delete(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a Deployment takes over when Knative is gone", func(ctx context.Context) error {
		return c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: workloadOf(unit)}, &appsv1.Deployment{})
	})
	p.waitFor(t, unit.GetId(), "the unit runs without Knative", running)
}

// usesTemplate tells whether a unit runs from a template.
func (p *program) usesTemplate(ctx context.Context, unit *deploymentv1.DeploymentUnit, want string) error {
	response, err := p.GetDeploymentRecord(ctx, &deploymentv1.GetDeploymentRecordRequest{DeploymentId: unit.GetId()})
	if err != nil {
		return err
	}
	if got := response.GetRecord().GetStatus().GetSelectedTemplate(); got != want {
		return fmt.Errorf("it has the template %q, want %q", got, want)
	}
	return nil
}

// actReady says what Knative says of a Service that serves.
func actReady(ctx context.Context, c client.Client, namespace string, unit *deploymentv1.DeploymentUnit) error {
	service := &unstructured.Unstructured{}
	service.SetGroupVersionKind(schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"})
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: workloadOf(unit)}, service); err != nil {
		return err
	}
	service.Object["status"] = map[string]any{
		"observedGeneration": service.GetGeneration(),
		"url":                "http://" + workloadOf(unit) + "." + namespace + ".svc.cluster.local",
		"conditions":         []any{map[string]any{"type": "Ready", "status": "True"}},
	}
	return c.Status().Update(ctx, service)
}
