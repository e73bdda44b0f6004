// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DeploymentTemplate tells which objects run a record, and what they are good for.
// A string in a manifest may hold expressions in the Common Expression Language,
// written ${ expression }; docs/templates.md lists what they can use.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=deploymenttemplates,singular=deploymenttemplate,shortName=dtpl,categories=oaas-crm,scope=Cluster
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="ODGM",type=string,JSONPath=`.spec.odgm.mode`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="Usable",type=string,JSONPath=`.status.conditions[?(@.type=="Usable")].status`
// +kubebuilder:printcolumn:name="Records",type=integer,JSONPath=`.status.records`
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.updatedRecords`
// +kubebuilder:printcolumn:name="Description",type=string,JSONPath=`.spec.description`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DeploymentTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the template.
	// +required
	Spec DeploymentTemplateSpec `json:"spec"`
	// status is how the template is used.
	// +optional
	Status DeploymentTemplateStatus `json:"status,omitempty"`
}

// DeploymentTemplateList is a list of templates.
//
// +kubebuilder:object:root=true
type DeploymentTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the templates.
	Items []DeploymentTemplate `json:"items"`
}

// TemplateType tells what kind of workload a template makes.
//
// +kubebuilder:validation:Enum=Deployment;StatefulSet;DaemonSet;Job;Knative;Custom
type TemplateType string

const (
	// TemplateTypeDeployment runs functions as Deployments.
	TemplateTypeDeployment TemplateType = "Deployment"
	// TemplateTypeStatefulSet runs functions as StatefulSets.
	TemplateTypeStatefulSet TemplateType = "StatefulSet"
	// TemplateTypeDaemonSet runs one replica of each function on every node.
	TemplateTypeDaemonSet TemplateType = "DaemonSet"
	// TemplateTypeJob runs functions to completion.
	TemplateTypeJob TemplateType = "Job"
	// TemplateTypeKnative runs functions as Knative Services.
	TemplateTypeKnative TemplateType = "Knative"
	// TemplateTypeCustom is anything else.
	TemplateTypeCustom TemplateType = "Custom"
)

// DeploymentTemplateSpec is a template.
//
// +kubebuilder:validation:XValidation:rule="!has(self.odgm) || !has(self.odgm.mode) || self.odgm.mode != 'Sidecar' || self.type in ['StatefulSet', 'Custom']",fieldPath=".odgm",message="mode Sidecar needs replicas with a stable identity: use the type StatefulSet, or Custom for a template that makes StatefulSets"
type DeploymentTemplateSpec struct {
	// description tells people when to use the template.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
	// type tells what kind of workload the template makes.
	// +required
	Type TemplateType `json:"type"`
	// capabilities are what the workload can promise; a record that asks for more is
	// not given the template.
	// +optional
	Capabilities TemplateCapabilities `json:"capabilities,omitempty"`
	// resourceRequirements are the size of a function's replica where neither the
	// function nor its requirements ask for one.
	// +optional
	ResourceRequirements FunctionResources `json:"resourceRequirements,omitempty"`
	// selectionCriteria narrow and weigh the choice.
	// +optional
	SelectionCriteria SelectionCriteria `json:"selectionCriteria,omitempty"`
	// odgm tells how the data grid of a class with state runs.
	// +optional
	ODGM TemplateODGM `json:"odgm,omitempty"`
	// manifests are the objects, applied in this order.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Manifests []TemplateManifest `json:"manifests"`
}

// TemplateCapabilities are what a template's workload can promise.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minLatencyMs) || !has(self.maxLatencyMs) || self.minLatencyMs <= self.maxLatencyMs",message="minLatencyMs must not exceed maxLatencyMs"
type TemplateCapabilities struct {
	// maxThroughputRPS is the greatest rate that the workload sustains, in requests
	// per second; absent means no bound of its own.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxThroughputRPS *int64 `json:"maxThroughputRPS,omitempty"`
	// minLatencyMs is the least 95th percentile latency that the workload can keep,
	// in milliseconds: a record that asks for less is not given the template. Absent
	// means no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinLatencyMs *int64 `json:"minLatencyMs,omitempty"`
	// maxLatencyMs is the latency, in milliseconds, up to which the template is a
	// good choice: for a record that accepts more, another fits better. Absent means
	// no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxLatencyMs *int64 `json:"maxLatencyMs,omitempty"`
	// autoscaling workloads follow the load.
	// +optional
	Autoscaling bool `json:"autoscaling,omitempty"`
	// scaleToZero workloads have no replica while nobody calls, and answer the first
	// call late.
	// +optional
	ScaleToZero bool `json:"scaleToZero,omitempty"`
	// persistentStorage workloads keep state across restarts.
	// +optional
	PersistentStorage bool `json:"persistentStorage,omitempty"`
	// networkPolicies of the template restrict who may call.
	// +optional
	NetworkPolicies bool `json:"networkPolicies,omitempty"`
	// serving workloads answer calls until they are removed. A template that is not
	// serving, such as a Job, is used only where a record pins it. Defaults to true.
	// +optional
	// +default=true
	Serving *bool `json:"serving,omitempty"`
}

// SelectionCriteria narrow and weigh the choice of a template.
type SelectionCriteria struct {
	// environments in which the template may be chosen; empty means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Environments []string `json:"environments,omitempty"`
	// onlyPinned templates are used where a record pins them, and never chosen.
	// +optional
	OnlyPinned bool `json:"onlyPinned,omitempty"`
	// priority is added to the score; it decides between templates that fit equally
	// well.
	// +optional
	// +kubebuilder:validation:Minimum=-100
	// +kubebuilder:validation:Maximum=100
	Priority int32 `json:"priority,omitempty"`
	// when is an expression over record and functions that must be true, such as
	// functions.size() == 1; empty means always.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when,omitempty"`
}

// ODGMMode tells how a data grid runs.
//
// +kubebuilder:validation:Enum=None;Sidecar;Cluster
type ODGMMode string

const (
	// ODGMNone runs no data grid.
	ODGMNone ODGMMode = "None"
	// ODGMSidecar runs a node beside each replica of a function. Replicas need a
	// stable identity, as a StatefulSet gives it.
	ODGMSidecar ODGMMode = "Sidecar"
	// ODGMCluster runs the grid as a StatefulSet of its own.
	ODGMCluster ODGMMode = "Cluster"
)

// TemplateODGM tells how the data grid of a class with state runs.
type TemplateODGM struct {
	// mode of the grid. Defaults to None.
	// +optional
	// +default="None"
	Mode ODGMMode `json:"mode,omitempty"`
}

// ManifestRole tells what a manifest is to the record.
//
// +kubebuilder:validation:Enum=Workload;Endpoint
type ManifestRole string

const (
	// RoleWorkload runs a function; its health is the function's.
	RoleWorkload ManifestRole = "Workload"
	// RoleEndpoint is where a function is reached: a Service, or an object whose
	// status has a url.
	RoleEndpoint ManifestRole = "Endpoint"
)

// TemplateManifest makes objects of one kind.
type TemplateManifest struct {
	// name of the manifest, for messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// forEach is an expression for a list; the manifest is made once for each item,
	// which expressions know as item. Empty makes it once.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	ForEach string `json:"forEach,omitempty"`
	// includeWhen is an expression that is true where the object is wanted; empty
	// means always.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	IncludeWhen string `json:"includeWhen,omitempty"`
	// roles of the object for its function, which the label oaas.io/function names.
	// +optional
	// +listType=set
	Roles []ManifestRole `json:"roles,omitempty"`
	// optional objects are left out on a cluster that does not serve their kind;
	// others make the template unusable there.
	// +optional
	Optional bool `json:"optional,omitempty"`
	// keep marks user data: the object stays when the record changes its template,
	// and goes with the record only as its deletionPolicy says. Volume claims are
	// always kept like this.
	// +optional
	Keep bool `json:"keep,omitempty"`
	// manifest is the object. Its namespace, owner and the labels of OaaS are added.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Manifest runtime.RawExtension `json:"manifest"`
}

// Condition types of a template.
const (
	// TemplateValid is True while every expression and manifest is in order.
	TemplateValid = "Valid"
	// TemplateUsable is True while the cluster serves every kind that the template
	// needs.
	TemplateUsable = "Usable"
	// TemplateRolledOut is True while every record that uses the template has its
	// newest revision. It is False with reason Stopped when a rollout stopped because
	// the first records degraded, and with reason Invalid while the newest content is
	// not in order.
	TemplateRolledOut = "RolledOut"
)

// DeploymentTemplateStatus is how a template is used.
type DeploymentTemplateStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// hash identifies the newest revision by its content.
	// +optional
	Hash string `json:"hash,omitempty"`
	// conditions tell the state: Valid, Usable, RolledOut.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// records that use the template.
	// +optional
	// +default=0
	Records int32 `json:"records,omitempty"`
	// updatedRecords have its newest revision.
	// +optional
	// +default=0
	UpdatedRecords int32 `json:"updatedRecords,omitempty"`
	// rollout is the change that is on its way; absent at rest.
	// +optional
	Rollout *TemplateRollout `json:"rollout,omitempty"`
	// revisions are the revisions that records still use, the newest first.
	// +optional
	// +listType=map
	// +listMapKey=hash
	Revisions []TemplateRevision `json:"revisions,omitempty"`
}

// TemplateRollout is a change of a template on its way through the records.
type TemplateRollout struct {
	// hash of the revision that is rolled out.
	// +required
	Hash string `json:"hash"`
	// batch are the records that are changed now, as namespace/name.
	// +optional
	// +listType=set
	Batch []string `json:"batch,omitempty"`
	// failed are the records that degraded with the revision; a rollout with any
	// stands still until the template changes or they recover.
	// +optional
	// +listType=set
	Failed []string `json:"failed,omitempty"`
}

// TemplateRevision is a former or present content of a template.
type TemplateRevision struct {
	// hash of the content.
	// +required
	Hash string `json:"hash"`
	// spec is the content.
	// +required
	Spec DeploymentTemplateSpec `json:"spec"`
}
