// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// Templates that the tests know. Both run a function behind a Service of the same
// name; the first also keeps user data.
const (
	templateDeployment  = "deployment"
	templateStatefulSet = "statefulset"
)

// templates render records in the simplest way, so that tests decide what is made.
type templates struct {
	// change alters a rendering; it may be replaced at any time.
	change atomic.Pointer[func(*v1alpha1.DeploymentRecord, *render.Rendering) error]
}

func (r *templates) alter(change func(*v1alpha1.DeploymentRecord, *render.Rendering) error) {
	r.change.Store(&change)
}

// Render makes a workload and a Service for each function, a budget where there are
// several replicas, and a ConfigMap with user data.
func (r *templates) Render(_ context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	rendering := &render.Rendering{Template: record.Spec.SelectedTemplate, TemplateHash: "h1"}
	for _, container := range record.Spec.FunctionContainers {
		name := names.Workload(record.Name, container.FunctionKey)
		kind := "Deployment"
		spec := map[string]any{}
		if rendering.Template == templateStatefulSet {
			kind, spec = "StatefulSet", map[string]any{"serviceName": name, "podManagementPolicy": "Parallel"}
		}
		labels := map[string]any{
			v1alpha1.LabelDeploymentID: record.Name, v1alpha1.LabelFunction: names.LabelValue(container.FunctionKey),
			v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler,
		}
		selector := map[string]any{v1alpha1.LabelDeploymentID: record.Name, v1alpha1.LabelFunction: names.LabelValue(container.FunctionKey)}
		replicas := int64(max(1, record.Spec.ResourceAllocation.MinReplicas))
		spec["replicas"] = replicas
		spec["selector"] = map[string]any{"matchLabels": selector}
		spec["template"] = map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec": map[string]any{
				"terminationGracePeriodSeconds": int64(0),
				"containers": []any{map[string]any{
					"name": "function", "image": container.Image, "ports": []any{map[string]any{"containerPort": int64(8080)}},
					"env": []any{map[string]any{"name": "A", "value": "b"}},
				}},
			},
		}
		rendering.Objects = append(rendering.Objects,
			object(record, "apps/v1", kind, name, labels, map[string]any{"spec": spec}, v1alpha1.RoleWorkload),
			object(record, "v1", "Service", name, labels, map[string]any{"spec": map[string]any{
				"selector": selector, "ports": []any{map[string]any{"port": int64(80), "targetPort": int64(8080)}},
			}}, v1alpha1.RoleEndpoint))
		if replicas > 1 {
			rendering.Objects = append(rendering.Objects, object(record, "policy/v1", "PodDisruptionBudget", name, labels, map[string]any{
				"spec": map[string]any{"maxUnavailable": int64(1), "selector": map[string]any{"matchLabels": selector}},
			}))
		}
		workload := rendering.Objects[len(rendering.Objects)-2]
		if replicas > 1 {
			workload = rendering.Objects[len(rendering.Objects)-3]
		}
		rendering.Functions = append(rendering.Functions, render.Function{
			Key: container.FunctionKey, Name: name, Replicas: int32(replicas), MaxReplicas: int32(replicas),
			Workload: &render.Ref{GroupVersionKind: workload.GroupVersionKind, Name: name}, URL: "http://" + name,
		})
	}
	if rendering.Template == templateDeployment {
		data := object(record, "v1", "ConfigMap", record.Name+"-data", nil, map[string]any{"data": map[string]any{"user": "data"}})
		data.Keep = true
		rendering.Objects = append(rendering.Objects, data)
	}
	if change := r.change.Load(); change != nil {
		if err := (*change)(record, rendering); err != nil {
			return nil, err
		}
	}
	for i := range rendering.Objects {
		stamp(rendering.Objects[i].Intent)
	}
	return rendering, nil
}

// Outline leaves out the content always, so that the reconciler has to ask for it
// whenever it writes.
func (r *templates) Outline(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	rendering, err := r.Render(ctx, record)
	if err != nil {
		return nil, err
	}
	return rendering.Outline(), nil
}

// Forget has nothing to forget.
func (*templates) Forget(types.NamespacedName) {}

// object is one object of a record.
func object(record *v1alpha1.DeploymentRecord, apiVersion, kind, name string, labels, content map[string]any, roles ...v1alpha1.ManifestRole) render.Object {
	intent := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	maps.Copy(intent.Object, content)
	intent.SetName(name)
	intent.SetNamespace(record.Namespace)
	if labels != nil {
		_ = unstructured.SetNestedMap(intent.Object, labels, "metadata", "labels")
	}
	intent.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(record, v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.KindDeploymentRecord))})
	made := render.ObjectOf(intent)
	made.Roles = slices.Clone(roles)
	return made
}

// stamp writes the hash of an intent into it. Where the intent lives and who owns it
// is left out, so that the same in another namespace has the same hash.
func stamp(intent *unstructured.Unstructured) {
	content := intent.DeepCopy()
	content.SetNamespace("")
	content.SetOwnerReferences(nil)
	encoded, _ := json.Marshal(content.Object)
	sum := sha256.Sum256(encoded)
	intent.SetAnnotations(map[string]string{v1alpha1.AnnotationSpecHash: hex.EncodeToString(sum[:8])})
}

// find returns the object of a kind in a rendering.
func find(rendering *render.Rendering, kind string) *render.Object {
	i := slices.IndexFunc(rendering.Objects, func(o render.Object) bool { return strings.EqualFold(o.Kind, kind) })
	return &rendering.Objects[i]
}
