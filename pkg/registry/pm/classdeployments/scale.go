// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// ScaleREST serves the subresource scale: the number of replicas of each function
// of a class deployment. Setting it sets both bounds, so that each function of
// each unit runs exactly that many; 0 stops them and keeps everything else.
type ScaleREST struct {
	store *registry.Store
}

var (
	_ rest.Patcher                  = (*ScaleREST)(nil)
	_ rest.GroupVersionKindProvider = (*ScaleREST)(nil)
	_ rest.TableConvertor           = (*ScaleREST)(nil)
	_ rest.Storage                  = (*ScaleREST)(nil)
)

// NewScale serves the scale of what is stored. It has no store of its own.
func NewScale(deployments *stored.REST) *ScaleREST {
	return &ScaleREST{store: deployments.Store}
}

// GroupVersionKind is that of Kubernetes, so that every client that scales knows
// it.
func (*ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// New makes an empty scale.
func (*ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy does nothing: the store belongs to the resource.
func (*ScaleREST) Destroy() {}

// Get returns the scale of a class deployment.
func (r *ScaleREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	object, err := r.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return scaleOf(object.(*pm.ClassDeployment)), nil
}

// Update changes the scale. It never creates, whatever the caller allows.
func (r *ScaleREST) Update(
	ctx context.Context,
	name string,
	info rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc,
	updateValidation rest.ValidateObjectUpdateFunc,
	_ bool,
	options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	updated, _, err := r.store.Update(ctx, name, &scaledObjectInfo{UpdatedObjectInfo: info, name: name},
		func(ctx context.Context, object runtime.Object) error {
			return createValidation(ctx, scaleOf(object.(*pm.ClassDeployment)))
		},
		func(ctx context.Context, object, old runtime.Object) error {
			return updateValidation(ctx, scaleOf(object.(*pm.ClassDeployment)), scaleOf(old.(*pm.ClassDeployment)))
		}, false, options)
	if err != nil {
		return nil, false, err
	}
	return scaleOf(updated.(*pm.ClassDeployment)), false, nil
}

// ConvertToTable renders the scale as metadata alone, as Kubernetes does.
func (*ScaleREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(autoscalingv1.Resource("scales")).ConvertToTable(ctx, object, options)
}

// scaledObjectInfo turns a change of the scale into a change of the class
// deployment.
type scaledObjectInfo struct {
	rest.UpdatedObjectInfo
	name string
}

// UpdatedObject returns the class deployment with the scale as the client wants
// it.
func (i *scaledObjectInfo) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	deployment := old.DeepCopyObject().(*pm.ClassDeployment)
	if deployment.ResourceVersion == "" {
		return nil, apierrors.NewNotFound(pm.Resource("classdeployments/scale"), i.name)
	}
	before := scaleOf(deployment)
	entries, err := scaleEntries(deployment.ManagedFields)
	if err != nil {
		return nil, err
	}
	before.ManagedFields = entries

	changed, err := i.UpdatedObjectInfo.UpdatedObject(ctx, before)
	if err != nil {
		return nil, err
	}
	scale, ok := changed.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is a %T: send a Scale of %s", changed, autoscalingv1.SchemeGroupVersion))
	}
	if scale.UID != "" && scale.UID != deployment.UID {
		return nil, apierrors.NewConflict(pm.Resource("classdeployments/scale"), i.name,
			fmt.Errorf("the class deployment has the uid %s, not %s: it is another one of the same name", deployment.UID, scale.UID))
	}
	if scale.Spec.Replicas < 0 {
		return nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), i.name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "replicas"), scale.Spec.Replicas, "must not be negative: 0 stops the functions"),
		})
	}
	deployment.Spec.Replicas = &pm.ReplicaBounds{Min: new(scale.Spec.Replicas), Max: new(scale.Spec.Replicas)}
	if deployment.ManagedFields, err = parentEntries(deployment.ManagedFields, scale.ManagedFields); err != nil {
		return nil, err
	}
	deployment.ResourceVersion = scale.ResourceVersion
	return deployment, nil
}

// scaleOf is the scale of a class deployment.
func scaleOf(deployment *pm.ClassDeployment) *autoscalingv1.Scale {
	wanted := wantedReplicas(deployment)
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name:              deployment.Name,
			Namespace:         deployment.Namespace,
			UID:               deployment.UID,
			ResourceVersion:   deployment.ResourceVersion,
			CreationTimestamp: deployment.CreationTimestamp,
		},
		Spec:   autoscalingv1.ScaleSpec{Replicas: wanted},
		Status: autoscalingv1.ScaleStatus{Replicas: presentReplicas(deployment, wanted)},
	}
}

// wantedReplicas is the least number of replicas of each function: as the user
// bounds it, or as the planner computed it from the requirements.
func wantedReplicas(deployment *pm.ClassDeployment) int32 {
	bounds, computed := deployment.Spec.Replicas, deployment.Status.Requirements
	switch {
	case bounds != nil && bounds.Min != nil && bounds.Max != nil && *bounds.Min == *bounds.Max:
		return *bounds.Min
	case computed != nil:
		return computed.MinReplicas
	case bounds != nil && bounds.Min != nil:
		return *bounds.Min
	default:
		return 1
	}
}

// presentReplicas is the number of replicas that a function of a planned unit
// has. Where functions differ it is the one that is farthest from what is wanted:
// who waits for the numbers to meet waits for the last function.
func presentReplicas(deployment *pm.ClassDeployment, wanted int32) int32 {
	var present int32
	farthest := int32(-1)
	for _, unit := range deployment.Status.Units {
		if !unit.Planned {
			continue
		}
		for _, function := range unit.Functions {
			distance := max(function.Replicas-wanted, wanted-function.Replicas)
			if distance > farthest {
				present, farthest = function.Replicas, distance
			}
		}
	}
	return present
}
