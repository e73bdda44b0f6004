// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render/names"
	"oaas.io/oaas/pkg/crm/template"
)

// labelVersion is the version of the record's package.
const labelVersion = "app.kubernetes.io/version"

// recordLabels are the labels of everything that is made for a record.
func recordLabels(record *v1alpha1.DeploymentRecord) map[string]string {
	unit := record.Spec.DeploymentUnit
	class, pkg := names.LabelValue(unit.ClassKey), names.LabelValue(unit.PackageName)
	return map[string]string{
		"app.kubernetes.io/name":     class,
		"app.kubernetes.io/instance": record.Name,
		"app.kubernetes.io/part-of":  pkg,
		v1alpha1.LabelManagedBy:      v1alpha1.FieldManagerReconciler,
		v1alpha1.LabelDeploymentID:   record.Name,
		v1alpha1.LabelPackage:        pkg,
		v1alpha1.LabelClass:          class,
		v1alpha1.LabelEnvironment:    names.LabelValue(record.Spec.TargetEnvironment),
	}
}

// fullNames are the names behind the labels of a record, uncut.
func fullNames(record *v1alpha1.DeploymentRecord) map[string]string {
	return map[string]string{
		v1alpha1.LabelPackage: record.Spec.DeploymentUnit.PackageName,
		v1alpha1.LabelClass:   record.Spec.DeploymentUnit.ClassKey,
	}
}

// addGrid adds the objects of the data grid, before those of the functions, which
// may wait for it.
func (r *Rendering) addGrid(in Input, grid *odgm.Grid) error {
	if grid == nil {
		return nil
	}
	for _, object := range grid.Objects() {
		content, err := contentOf(object)
		if err != nil {
			return fmt.Errorf("data grid: %w", err)
		}
		intent, err := finish(in.Record, &unstructured.Unstructured{Object: content}, nil, nil)
		if err != nil {
			return fmt.Errorf("data grid: %w", err)
		}
		made := ObjectOf(intent)
		made.Grid = true
		r.Objects = append(r.Objects, made)
	}
	return nil
}

// add adds the objects that the template made, without those that are optional and
// of a kind that the cluster does not serve.
func (r *Rendering) add(in Input, functions []*function, made []template.Object) error {
	ofGrid := r.Objects
	byKey := make(map[string]*function, len(functions))
	byLabel := make(map[string]string, len(functions))
	for _, f := range functions {
		byKey[f.container.FunctionKey] = f
		byLabel[names.LabelValue(f.container.FunctionKey)] = f.container.FunctionKey
	}
	for _, object := range made {
		intent := &unstructured.Unstructured{Object: object.Content}
		kind := intent.GroupVersionKind()
		if object.Optional && !in.served(kind.GroupKind()) {
			if !slices.Contains(r.Missing, kind) {
				r.Missing = append(r.Missing, kind)
			}
			continue
		}
		if slices.ContainsFunc(ofGrid, func(o Object) bool { return o.Name == intent.GetName() && o.GroupKind() == kind.GroupKind() }) {
			return &template.Error{Template: in.Template.Name, Manifest: object.Manifest, Err: fmt.Errorf(
				"%s %s is made for the data grid already: give the object another name", kind.Kind, intent.GetName())}
		}
		key := object.Function
		if key == "" {
			key = byLabel[intent.GetLabels()[v1alpha1.LabelFunction]]
		}
		labels, annotations := recordLabels(in.Record), fullNames(in.Record)
		labels[v1alpha1.LabelTemplate] = names.LabelValue(in.Template.Name)
		if version := in.Record.Spec.DeploymentUnit.PackageVersion; version != "" {
			labels[labelVersion] = names.LabelValue(version)
		}
		if f := byKey[key]; f != nil {
			labels, annotations = f.labels(), f.fullNames()
		}
		finished, err := finish(in.Record, intent, labels, annotations)
		if err != nil {
			return &template.Error{Template: in.Template.Name, Manifest: object.Manifest, Err: err}
		}
		child := ObjectOf(finished)
		child.Function, child.Roles = key, object.Roles
		child.Keep = object.Keep || kind.GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"}
		r.Objects = append(r.Objects, child)
	}
	return nil
}

// finish puts an object into the namespace of its record, makes it the record's own
// and stamps it with the hash of its content. Labels and annotations of OaaS win over
// those that the object has.
func finish(record *v1alpha1.DeploymentRecord, intent *unstructured.Unstructured, labels, annotations map[string]string) (*unstructured.Unstructured, error) {
	intent.SetNamespace(record.Namespace)
	intent.SetOwnerReferences([]metav1.OwnerReference{ownerOf(record)})
	if all := over(intent.GetLabels(), labels); len(all) > 0 {
		intent.SetLabels(all)
	}
	all := over(intent.GetAnnotations(), annotations)
	delete(all, v1alpha1.AnnotationSpecHash)
	if len(all) > 0 {
		intent.SetAnnotations(all)
	}
	// Keys of maps are sorted by the encoder, so the hash is stable.
	encoded, err := json.Marshal(intent.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", intent.GetKind(), intent.GetName(), err)
	}
	sum := sha256.Sum256(encoded)
	all[v1alpha1.AnnotationSpecHash] = hex.EncodeToString(sum[:16])
	intent.SetAnnotations(all)
	return intent, nil
}

func over(under, values map[string]string) map[string]string {
	all := maps.Clone(under)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, values)
	return all
}

// ownerOf makes the record the controller of a child, so that the garbage
// collector removes the child even if this program never runs again.
func ownerOf(record *v1alpha1.DeploymentRecord) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion:         v1alpha1.SchemeGroupVersion.String(),
		Kind:               v1alpha1.KindDeploymentRecord,
		Name:               record.Name,
		UID:                record.UID,
		Controller:         new(true),
		BlockOwnerDeletion: new(true),
	}
}

// describe tells where a function runs, from the roles of its objects.
func (r *Rendering) describe(f *function) Function {
	described := Function{Key: f.container.FunctionKey, Name: f.name, Replicas: f.size.Replicas, MaxReplicas: f.size.Max}
	switch f.in.Template.Spec.Type {
	case v1alpha1.TemplateTypeDaemonSet:
		described.Replicas, described.MaxReplicas = 0, 0
	case v1alpha1.TemplateTypeKnative:
		described.Replicas, described.Autoscaled = f.size.Min, f.size.Max > f.size.Min
	case v1alpha1.TemplateTypeDeployment, v1alpha1.TemplateTypeStatefulSet, v1alpha1.TemplateTypeJob, v1alpha1.TemplateTypeCustom:
	}
	for i := range r.Objects {
		object := &r.Objects[i]
		if object.Function != described.Key {
			continue
		}
		ref := new(object.Ref)
		if Autoscales(object.GroupKind()) {
			described.Autoscaled = true
		}
		if described.Workload == nil && slices.Contains(object.Roles, v1alpha1.RoleWorkload) {
			described.Workload = ref
		}
		if described.Endpoint == nil && slices.Contains(object.Roles, v1alpha1.RoleEndpoint) {
			described.Endpoint = ref
			described.URL = urlOf(ref.Name, f.record.Namespace, object.Group != corev1.GroupName)
		}
	}
	return described
}

// contentOf is what a typed value wishes: all that is set, without the status, which
// is not for the same actor to apply, and without the nulls and empty structs that
// Go leaves behind where nothing is set. Applied, those would own fields that nobody
// meant. An empty map that means something, as in emptyDir or podSelector, stays.
func contentOf(value any) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		return nil, fmt.Errorf("convert %T: %w", value, err)
	}
	delete(content, "status")
	prune(content)
	return content, nil
}

// leftBehind are the structs that Kubernetes types encode although they are empty.
var leftBehind = []string{"metadata", "resources", "strategy", "updateStrategy", "spec"}

func prune(content map[string]any) {
	for key, value := range content {
		switch value := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			prune(value)
			if len(value) == 0 && slices.Contains(leftBehind, key) {
				delete(content, key)
			}
		case []any:
			for _, item := range value {
				if item, ok := item.(map[string]any); ok {
					prune(item)
				}
			}
		}
	}
}
