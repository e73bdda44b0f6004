// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

type previewFunc func(*v1alpha1.DeploymentRecord) (*render.Rendering, error)

func (f previewFunc) Preview(_ context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	return f(record)
}

type refusedError struct{ error }

func (refusedError) RefusalReason() string { return "NoTemplate" }

// rendering is one Service that the record owns.
func rendering(record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": record.Name}}}
	object.SetOwnerReferences([]metav1.OwnerReference{{Kind: "DeploymentRecord", Name: record.Name, UID: record.UID}})
	return &render.Rendering{
		Template:  record.Status.SelectedTemplate + "/" + record.Spec.SelectedTemplate,
		Objects:   []render.Object{{Intent: object}},
		Selection: &v1alpha1.TemplateSelection{Candidates: []v1alpha1.TemplateCandidate{{Template: "deployment", Eligible: true}}},
	}, nil
}

func TestRenderDeployment(t *testing.T) {
	unit := fullUnit()
	existing := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: unit.GetId(), Namespace: unit.GetNamespace(), UID: "u1"},
		Spec:       specOf(unit), Status: v1alpha1.DeploymentRecordStatus{SelectedTemplate: "job"},
	}
	foreign := existing.DeepCopy()
	foreign.Spec.DeploymentUnit.ClassDeployment = "another"
	for sentence, test := range map[string]struct {
		renderer previewFunc
		records  []client.Object
		code     codes.Code
		// template and manifest are parts of the answer.
		template, manifest string
		reason             string
	}{
		"a unit that is new has no owner":      {renderer: rendering, template: "/statefulset", manifest: "metadata:\n  name: cart-1\n"},
		"a unit that exists keeps what it has": {renderer: rendering, records: []client.Object{existing}, template: "job/statefulset", manifest: "uid: u1"},
		"a unit of somebody else is told":      {renderer: rendering, records: []client.Object{foreign}, code: codes.AlreadyExists},
		"a program without a renderer says so": {code: codes.Unimplemented},
		"a refusal says what is to be changed": {
			renderer: func(*v1alpha1.DeploymentRecord) (*render.Rendering, error) {
				return nil, refusedError{errors.New("no template can serve it")}
			},
			code: codes.FailedPrecondition, reason: "NoTemplate",
		},
		"a cache that is not there may be tried again": {
			renderer: func(*v1alpha1.DeploymentRecord) (*render.Rendering, error) {
				return nil, errors.New("connection refused")
			},
			code: codes.Unavailable,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			records := fake.NewClientBuilder().WithScheme(scheme).WithObjects(test.records...).
				WithIndex(&v1alpha1.DeploymentRecord{}, nameIndex, func(o client.Object) []string { return []string{o.GetName()} }).Build()
			d := &deployments{client: records, live: records}
			if test.renderer != nil {
				d.renderer = test.renderer
			}
			answer, err := d.RenderDeployment(t.Context(), &deploymentv1.RenderDeploymentRequest{Unit: fullUnit()})
			if status.Code(err) != test.code {
				t.Fatalf("err = %v, want %v", err, test.code)
			}
			if test.reason != "" {
				failure, ok := status.Convert(err).Details()[0].(*errdetails.PreconditionFailure)
				if !ok || failure.GetViolations()[0].GetType() != test.reason || failure.GetViolations()[0].GetSubject() != "cart-1" {
					t.Errorf("details = %v, want %s of cart-1", status.Convert(err).Details(), test.reason)
				}
			}
			if err != nil {
				return
			}
			if answer.GetTemplate() != test.template || answer.GetNamespace() != "shop" || len(answer.GetTemplateSelection().GetCandidates()) != 1 {
				t.Errorf("answer = %v", answer)
			}
			manifests := answer.GetManifests()
			if len(manifests) != 1 || !strings.Contains(manifests[0], test.manifest) ||
				strings.Contains(manifests[0], "ownerReferences") != (len(test.records) > 0) {
				t.Errorf("manifests = %q, want one with %q", manifests, test.manifest)
			}
		})
	}
}
