// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package render turns a deployment record into the Kubernetes objects that run
// it. It decides and does nothing else: the same input gives the same objects, byte
// for byte. What a pod looks like is decided here; which objects there are, by the
// record's template.
package render

import (
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/template"
)

// Input is everything that decides how a record is run.
type Input struct {
	// Record to run. It exists on the cluster: its name, namespace and UID go into the
	// objects.
	Record *v1alpha1.DeploymentRecord
	// Template that was chosen for it.
	Template *template.Template
	// Environment that it runs in.
	Environment environment.Environment
	// Analysis of its requirements.
	Analysis nfr.Analysis
	// Features are what the program may use.
	Features template.Features
	// Served tells whether the cluster serves a kind; nil means that it serves all.
	Served func(schema.GroupKind) bool
	// Selection tells why the template was chosen; it is passed through.
	Selection *v1alpha1.TemplateSelection
	// ManagerNamespace is where this program runs, so that a NetworkPolicy of the data
	// grid lets it ask the nodes for their health; empty lets nobody in.
	ManagerNamespace string
}

func (in *Input) served(kind schema.GroupKind) bool { return in.Served == nil || in.Served(kind) }

// Rendering is what runs a record.
type Rendering struct {
	// Template is the name of the template that was used.
	Template string
	// TemplateHash is the revision of that template.
	TemplateHash string
	// Objects of the record, in the order in which to apply them.
	Objects []Object
	// Functions are the functions that have a workload, in the record's order.
	Functions []Function
	// Grid is the data grid; nil where the record has none.
	Grid *odgm.Grid
	// Absence tells why there is no grid.
	Absence odgm.Absence
	// Missing are the kinds that were left out because the cluster does not serve
	// them.
	Missing []schema.GroupVersionKind
	// Warnings tell where a bound of the environment changed what the record asks
	// for.
	Warnings []string
	// Selection tells why the template was chosen.
	Selection *v1alpha1.TemplateSelection
	// Demand is what the record may come to use of quotas: all that its pods request,
	// those of the data grid included, at their greatest number.
	Demand v1alpha1.UsedQuotas
	// Admission notes what the record was let in with by the quotas of its environment;
	// it goes into the record's status.
	Admission *v1alpha1.Admission
}

// Object is one object of a record.
type Object struct {
	// Ref names the object.
	Ref
	// Intent is the complete content of a server-side apply. It has the record as its
	// controller, and the hash of its content in v1alpha1.AnnotationSpecHash. An outline
	// has none.
	Intent *unstructured.Unstructured
	// Hash is that of the content, in an outline.
	Hash string
	// Function is the key of the function that the object was made for; empty for an
	// object that belongs to the record as a whole.
	Function string
	// Roles of the object for its function.
	Roles []v1alpha1.ManifestRole
	// Keep marks user data: the object outlives a change of the template, and goes
	// with the record only as its deletion policy says.
	Keep bool
	// Grid tells that the object belongs to the data grid.
	Grid bool
}

// ObjectOf is the object that an intent asks for.
func ObjectOf(intent *unstructured.Unstructured) Object {
	return Object{Ref: Ref{GroupVersionKind: intent.GroupVersionKind(), Name: intent.GetName()}, Intent: intent}
}

// Outline is the rendering without the content of its objects, of which only the
// hashes are left. It takes little memory.
func (r *Rendering) Outline() *Rendering {
	outline := *r
	outline.Objects = slices.Clone(r.Objects)
	for i := range outline.Objects {
		object := &outline.Objects[i]
		object.Hash, object.Intent = object.ContentHash(), nil
	}
	return &outline
}

// ContentHash is the hash of the object's content.
func (o *Object) ContentHash() string {
	if o.Intent == nil {
		return o.Hash
	}
	return o.Intent.GetAnnotations()[v1alpha1.AnnotationSpecHash]
}

// Ref names an object in the record's namespace.
type Ref struct {
	schema.GroupVersionKind
	// Name of the object.
	Name string
}

// Function tells where a function of the record runs.
type Function struct {
	// Key is the function's key in its package.
	Key string
	// Name that the function's objects are called by.
	Name string
	// Replicas are the replicas that are wanted; the least number where an autoscaler
	// decides, and 0 where the workload itself does, as a DaemonSet.
	Replicas int32
	// Autoscaled tells that an autoscaler decides on the number of replicas, between
	// Replicas and MaxReplicas.
	Autoscaled bool
	// MaxReplicas is the greatest number of replicas.
	MaxReplicas int32
	// Workload runs the function; nil where the template marks none.
	Workload *Ref
	// Endpoint is where the function is reached; nil where the template marks none.
	Endpoint *Ref
	// URL reaches the function inside the cluster; empty without an endpoint. The
	// status of an endpoint that has a url of its own wins.
	URL string
}

// Render returns the objects of a record. The error is a *template.Error, or an
// *odgm.InvalidError for settings that no data grid can keep.
func Render(in Input) (*Rendering, error) {
	if in.Template == nil {
		return nil, errors.New("render: no template")
	}
	rendering := &Rendering{Template: in.Template.Name, TemplateHash: in.Template.Hash, Selection: in.Selection}
	functions := functionsOf(in)
	grid, err := planGrid(in, functions)
	if err != nil {
		return nil, err
	}
	rendering.Grid, rendering.Absence = grid, odgm.Absent(gridInput(in, functions))
	variables := Subject(in.Record)
	if err := complete(&variables, in, functions, grid); err != nil {
		return nil, err
	}
	made, err := in.Template.Render(variables)
	if err != nil {
		return nil, err
	}
	if err := rendering.addGrid(in, grid); err != nil {
		return nil, err
	}
	if err := rendering.add(in, functions, made); err != nil {
		return nil, err
	}
	for _, f := range functions {
		rendering.Functions = append(rendering.Functions, rendering.describe(f))
		rendering.Warnings = append(rendering.Warnings, f.warnings...)
	}
	rendering.Demand = demandOf(rendering, functions, grid)
	return rendering, nil
}
