// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:onlyVerbs=get,list,watch
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// DeploymentRecord is what a cluster keeps of one unit of a class deployment, as
// the cluster last told it; to be read only. Its name is <cluster>.<deploymentID>,
// its namespace that of the class deployment.
type DeploymentRecord struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The resource version is comparable with
	// those of other deployment records only.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what the cluster was asked to run.
	// +required
	Spec DeploymentRecordSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
	// status is what the cluster says of it.
	// +optional
	Status DeploymentRecordStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false

// DeploymentRecordList is a list of deployment records.
type DeploymentRecordList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the deployment records.
	Items []DeploymentRecord `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// DeploymentRecordSpec is what a cluster was asked to run.
type DeploymentRecordSpec struct {
	// cluster that keeps the record.
	// +required
	Cluster string `json:"cluster" protobuf:"bytes,1,opt,name=cluster"`
	// deploymentID names the record on that cluster.
	// +required
	DeploymentID string `json:"deploymentID" protobuf:"bytes,2,opt,name=deploymentID"`
	// classDeployment that the unit belongs to.
	// +required
	ClassDeployment string `json:"classDeployment" protobuf:"bytes,3,opt,name=classDeployment"`
	// environment that the unit runs in.
	// +required
	Environment string `json:"environment" protobuf:"bytes,4,opt,name=environment"`
	// packageName is the package that defines the class.
	// +required
	PackageName string `json:"packageName" protobuf:"bytes,5,opt,name=packageName"`
	// packageVersion is the version that the unit was planned from.
	// +optional
	PackageVersion string `json:"packageVersion,omitempty" protobuf:"bytes,6,opt,name=packageVersion"`
	// classKey is the class that runs.
	// +required
	ClassKey string `json:"classKey" protobuf:"bytes,7,opt,name=classKey"`
	// template that was asked for; empty when the requirements choose.
	// +optional
	Template string `json:"template,omitempty" protobuf:"bytes,8,opt,name=template"`
	// nfr are the requirements to keep.
	// +optional
	NFR NFRRequirements `json:"nfr,omitempty" protobuf:"bytes,9,opt,name=nfr"`
	// requirements are the sizes that the planner derived.
	// +optional
	Requirements ComputedRequirements `json:"requirements,omitempty" protobuf:"bytes,10,opt,name=requirements"`
	// functions are the workloads of the unit.
	// +optional
	// +listType=map
	// +listMapKey=key
	Functions []PlannedFunction `json:"functions,omitempty" protobuf:"bytes,11,rep,name=functions"`
}

// DeploymentRecordStatus is what a cluster says of a record.
type DeploymentRecordStatus struct {
	// stale is true while the cluster is out of contact, so that the record may
	// have changed since.
	// +optional
	Stale bool `json:"stale,omitempty" protobuf:"varint,1,opt,name=stale"`
	// condition sums the record up in one word: Pending, Provisioning, Running,
	// Scaling, Failed, Terminated.
	// +optional
	Condition string `json:"condition,omitempty" protobuf:"bytes,2,opt,name=condition"`
	// phase is the step that the record is at, such as PodScheduling.
	// +optional
	Phase string `json:"phase,omitempty" protobuf:"bytes,3,opt,name=phase"`
	// message tells what the record waits for or why it failed.
	// +optional
	Message string `json:"message,omitempty" protobuf:"bytes,4,opt,name=message"`
	// conditions are those of the record on its cluster: Available, Progressing,
	// Degraded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +k8s:optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,5,rep,name=conditions"`
	// selectedTemplate is the template that the cluster chose.
	// +optional
	SelectedTemplate string `json:"selectedTemplate,omitempty" protobuf:"bytes,6,opt,name=selectedTemplate"`
	// functions tell the readiness of each function.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +patchMergeKey=key
	// +patchStrategy=merge
	Functions []FunctionStatus `json:"functions,omitempty" patchStrategy:"merge" patchMergeKey:"key" protobuf:"bytes,7,rep,name=functions"`
	// resources are the objects that the cluster made for the record.
	// +optional
	// +listType=atomic
	Resources []ResourceReference `json:"resources,omitempty" protobuf:"bytes,8,rep,name=resources"`
	// namespace of the record on its cluster.
	// +optional
	Namespace string `json:"namespace,omitempty" protobuf:"bytes,9,opt,name=namespace"`
}

// ResourceReference names a Kubernetes object on the cluster of a record.
type ResourceReference struct {
	// apiVersion of the object.
	// +required
	APIVersion string `json:"apiVersion" protobuf:"bytes,1,opt,name=apiVersion"`
	// kind of the object.
	// +required
	Kind string `json:"kind" protobuf:"bytes,2,opt,name=kind"`
	// namespace of the object; empty for one without.
	// +optional
	Namespace string `json:"namespace,omitempty" protobuf:"bytes,3,opt,name=namespace"`
	// name of the object.
	// +required
	Name string `json:"name" protobuf:"bytes,4,opt,name=name"`
}
