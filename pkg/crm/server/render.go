// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// Renderer decides which objects run a record.
type Renderer interface {
	// Preview decides about a record that need not exist, and keeps no room for it. An
	// error that has RefusalReason stays until the record or the cluster's configuration
	// changes.
	Preview(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error)
}

// refusal is an error of a Renderer that only a change of something else mends.
type refusal interface {
	error
	RefusalReason() string
}

// RenderDeployment returns the objects that Deploy would make for a unit. What is
// known of its record, such as the template that it has, counts as it would then.
func (d *deployments) RenderDeployment(ctx context.Context, request *deploymentv1.RenderDeploymentRequest) (*deploymentv1.RenderDeploymentResponse, error) {
	if d.renderer == nil {
		return nil, status.Error(codes.Unimplemented, "this Class Runtime Manager renders nothing for others")
	}
	spec, place, before, err := d.settle(ctx, request.GetUnit())
	if err != nil {
		return nil, err
	}
	record := previewed(before, place.namespace, spec)
	rendering, err := d.renderer.Preview(ctx, record)
	if err != nil {
		return nil, renderError(err, record.Name)
	}
	answer := &deploymentv1.RenderDeploymentResponse{
		Template:          rendering.Template,
		TemplateSelection: templateSelectionMessage(rendering.Selection),
		Namespace:         record.Namespace,
	}
	for _, object := range rendering.Objects {
		intent := object.Intent.DeepCopy()
		if record.UID == "" {
			// There is nobody yet that could own it.
			intent.SetOwnerReferences(nil)
		}
		manifest, err := yaml.Marshal(intent.Object)
		if err != nil {
			return nil, status.Errorf(codes.Internal, "write %s %s: %v", intent.GetKind(), intent.GetName(), err)
		}
		answer.Manifests = append(answer.Manifests, string(manifest))
	}
	return answer, nil
}

// previewed is a record as Deploy would make it.
func previewed(before *v1alpha1.DeploymentRecord, namespace string, spec v1alpha1.DeploymentRecordSpec) *v1alpha1.DeploymentRecord {
	if before == nil {
		record := &v1alpha1.DeploymentRecord{Spec: spec}
		record.Name, record.Namespace, record.Generation = spec.DeploymentUnit.ID, namespace, 1
		return record
	}
	record := before.DeepCopy()
	if !equality.Semantic.DeepEqual(record.Spec, spec) {
		record.Spec = spec
		record.Generation++
	}
	return record
}

func renderError(err error, id string) error {
	if refused, ok := errors.AsType[refusal](err); ok {
		return precondition(refused.RefusalReason(), id, err.Error())
	}
	return statusOf(fmt.Errorf("render: %w", err))
}
