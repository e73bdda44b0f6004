// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeploymentRecord is one unit of a class deployment in one environment of this
// cluster. It is written by the gRPC server and reconciled into workloads.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=deploymentrecords,singular=deploymentrecord,shortName=drec,categories=oaas-crm
// +kubebuilder:printcolumn:name="Package",type=string,JSONPath=`.spec.deploymentUnit.packageName`
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.deploymentUnit.classKey`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.targetEnvironment`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.status.selectedTemplate`
// +kubebuilder:printcolumn:name="Condition",type=string,JSONPath=`.status.condition`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`,priority=1
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name="ODGM",type=string,JSONPath=`.status.conditions[?(@.type=="ODGMReady")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.targetEnvironment`
// +kubebuilder:selectablefield:JSONPath=`.status.condition`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == self.spec.deploymentUnit.id",message="metadata.name must be spec.deploymentUnit.id"
type DeploymentRecord struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the Package Manager asked for.
	// +required
	Spec DeploymentRecordSpec `json:"spec"`
	// status is what really runs.
	// +optional
	Status DeploymentRecordStatus `json:"status,omitempty"`
}

// DeploymentRecordList is a list of deployment records.
//
// +kubebuilder:object:root=true
type DeploymentRecordList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the deployment records.
	Items []DeploymentRecord `json:"items"`
}

// DeploymentRecordSpec is what the Package Manager asked for.
type DeploymentRecordSpec struct {
	// deploymentUnit tells where the record comes from.
	// +required
	DeploymentUnit DeploymentUnit `json:"deploymentUnit"`
	// selectedTemplate pins the template; empty lets the requirements choose.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SelectedTemplate string `json:"selectedTemplate,omitempty"`
	// targetEnvironment is the environment that the unit runs in.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	TargetEnvironment string `json:"targetEnvironment"`
	// nfrRequirements are the non-functional requirements to keep.
	// +optional
	NFRRequirements NFRRequirements `json:"nfrRequirements,omitempty"`
	// resourceAllocation is the size that the planner derived.
	// +optional
	ResourceAllocation ResourceAllocation `json:"resourceAllocation,omitempty"`
	// functionContainers are the functions that have a workload, one each.
	// +optional
	// +listType=map
	// +listMapKey=functionKey
	// +kubebuilder:validation:MaxItems=512
	FunctionContainers []FunctionContainer `json:"functionContainers,omitempty"`
	// state of the class's objects; absent for a class without state.
	// +optional
	State *ClassState `json:"state,omitempty"`
	// bindings are the methods of the class.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1024
	Bindings []MethodBinding `json:"bindings,omitempty"`
	// odgmConfig are settings of the data grid; absent fields follow from the state
	// and the requirements.
	// +optional
	ODGMConfig *ODGMConfig `json:"odgmConfig,omitempty"`
	// telemetry are the OpenTelemetry settings of the containers.
	// +optional
	Telemetry *Telemetry `json:"telemetry,omitempty"`
	// enforcement says how the requirements are kept.
	// +optional
	Enforcement *Enforcement `json:"enforcement,omitempty"`
	// deletionPolicy says what happens to stored data when the record is deleted:
	// volumes and what a template marks as user data. Defaults to Delete.
	// +optional
	// +default="Delete"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// DeletionPolicy says what happens to stored data when a record is deleted.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

const (
	// DeletionDelete removes data with the record.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionRetain keeps data until somebody removes it.
	DeletionRetain DeletionPolicy = "Retain"
)

// DeploymentUnit tells where a record comes from.
//
// +kubebuilder:validation:XValidation:rule="(has(self.__namespace__) ? has(oldSelf.__namespace__) && self.__namespace__ == oldSelf.__namespace__ : !has(oldSelf.__namespace__)) && (has(self.classDeployment) ? has(oldSelf.classDeployment) && self.classDeployment == oldSelf.classDeployment : !has(oldSelf.classDeployment))",message="namespace and classDeployment cannot be changed: use another id"
// +kubebuilder:validation:XValidation:rule="self.id == oldSelf.id && self.packageName == oldSelf.packageName && self.classKey == oldSelf.classKey",message="id, packageName and classKey cannot be changed: make another deployment"
type DeploymentUnit struct {
	// id identifies the unit; it is the record's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id"`
	// namespace of the ClassDeployment that the unit belongs to.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// classDeployment is the name of the ClassDeployment that the unit belongs to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClassDeployment string `json:"classDeployment,omitempty"`
	// packageName is the package that defines the class.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PackageName string `json:"packageName"`
	// packageVersion is the version of the package that the unit was planned from.
	// +optional
	PackageVersion string `json:"packageVersion,omitempty"`
	// classKey is the class that runs.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	ClassKey string `json:"classKey"`
	// hash identifies the content of the unit as the Package Manager sent it.
	// +optional
	Hash string `json:"hash,omitempty"`
}

// NFRRequirements are the non-functional requirements to keep.
type NFRRequirements struct {
	// minThroughputRPS is the least sustained rate, in requests per second.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinThroughputRPS *int64 `json:"minThroughputRPS,omitempty"`
	// maxLatencyMs is the greatest 95th percentile latency, in milliseconds.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxLatencyMs *int64 `json:"maxLatencyMs,omitempty"`
	// availability is the least fraction of time that the unit answers, a decimal
	// between 0 and 1, written as a string, such as "0.999".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0(\.[0-9]+)?|1(\.0+)?)$`
	Availability string `json:"availability,omitempty"`
	// cpuUtilizationTarget is the average CPU use to aim at, in percent of the
	// request.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	CPUUtilizationTarget *int32 `json:"cpuUtilizationTarget,omitempty"`
}

// ResourceAllocation is the size that the planner derived.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxReplicas) || !has(self.minReplicas) || self.maxReplicas == 0 || self.minReplicas <= self.maxReplicas",message="minReplicas must not exceed maxReplicas"
type ResourceAllocation struct {
	// replicationFactor is the number of copies that the availability asks for.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReplicationFactor int32 `json:"replicationFactor,omitempty"`
	// minReplicas of each function; 0 means 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicas int32 `json:"minReplicas,omitempty"`
	// maxReplicas of each function; 0 means minReplicas.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxReplicas int32 `json:"maxReplicas,omitempty"`
}

// RecordCondition sums a record up in one word.
//
// +kubebuilder:validation:Enum=Pending;Provisioning;Running;Scaling;Failed;Terminated
type RecordCondition string

const (
	// RecordPending was accepted and not yet worked on.
	RecordPending RecordCondition = "Pending"
	// RecordProvisioning is being rolled out.
	RecordProvisioning RecordCondition = "Provisioning"
	// RecordRunning serves.
	RecordRunning RecordCondition = "Running"
	// RecordScaling serves while its size changes.
	RecordScaling RecordCondition = "Scaling"
	// RecordFailed does not serve and will not without a change.
	RecordFailed RecordCondition = "Failed"
	// RecordTerminated is being removed.
	RecordTerminated RecordCondition = "Terminated"
)

// RecordPhase is the step that a record is at.
//
// +kubebuilder:validation:Enum=TemplateSelection;ResourceProvisioning;PodScheduling;ServiceBinding;HealthChecking;Ready
type RecordPhase string

const (
	// PhaseTemplateSelection chooses the template.
	PhaseTemplateSelection RecordPhase = "TemplateSelection"
	// PhaseResourceProvisioning applies the children.
	PhaseResourceProvisioning RecordPhase = "ResourceProvisioning"
	// PhasePodScheduling waits for pods to be placed and started.
	PhasePodScheduling RecordPhase = "PodScheduling"
	// PhaseServiceBinding waits for services to get their addresses.
	PhaseServiceBinding RecordPhase = "ServiceBinding"
	// PhaseHealthChecking waits for containers to become ready.
	PhaseHealthChecking RecordPhase = "HealthChecking"
	// PhaseReady has nothing left to wait for.
	PhaseReady RecordPhase = "Ready"
)

// Condition types of a record.
const (
	// ConditionAvailable is True while every function serves.
	ConditionAvailable = "Available"
	// ConditionProgressing is True while the children change.
	ConditionProgressing = "Progressing"
	// ConditionDegraded is True while something that the record needs fails.
	ConditionDegraded = "Degraded"
	// ConditionODGMReady is True while every node of the record's data grid serves;
	// absent where the record has none.
	ConditionODGMReady = "ODGMReady"
	// ConditionNFRCompliant is True while the record keeps its requirements, and
	// Unknown while nothing measures whether it does; absent where it has none.
	ConditionNFRCompliant = "NFRCompliant"
)

// DeploymentRecordStatus is what really runs.
type DeploymentRecordStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// condition sums the record up in one word.
	// +optional
	Condition RecordCondition `json:"condition,omitempty"`
	// phase is the step that the record is at.
	// +optional
	Phase RecordPhase `json:"phase,omitempty"`
	// message tells in words what the record waits for or why it failed.
	// +optional
	Message string `json:"message,omitempty"`
	// admitted is what the record was given of its environment's quotas; absent until
	// it was let in.
	// +optional
	Admitted *Admission `json:"admitted,omitempty"`
	// conditions tell the state: Available, Progressing, Degraded; with a data grid,
	// ODGMReady; with requirements, NFRCompliant.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// selectedTemplate is the template that the children were rendered from.
	// +optional
	SelectedTemplate string `json:"selectedTemplate,omitempty"`
	// templateHash is the revision of that template: the hash of its content.
	// +optional
	TemplateHash string `json:"templateHash,omitempty"`
	// templateSelection tells why the template was chosen.
	// +optional
	TemplateSelection *TemplateSelection `json:"templateSelection,omitempty"`
	// resourceRefs are the inventory: everything that was made, is being made or
	// waits to be removed for the record. An object enters it before it is made and
	// leaves it after it is gone.
	// +optional
	// +listType=atomic
	ResourceRefs []ResourceReference `json:"resourceRefs,omitempty"`
	// functionContainerStatus tells the readiness of each function.
	// +optional
	// +listType=map
	// +listMapKey=functionKey
	FunctionContainerStatus []FunctionContainerStatus `json:"functionContainerStatus,omitempty"`
	// odgmClusterStatus is the state of the data grid; absent where the record has
	// none.
	// +optional
	ODGMClusterStatus *ODGMClusterStatus `json:"odgmClusterStatus,omitempty"`
}

// Admission is what a record was given of the quotas of an environment.
type Admission struct {
	// environment whose quotas it counts towards.
	// +required
	Environment string `json:"environment"`
	// amount that was given.
	// +required
	Amount UsedQuotas `json:"amount"`
}

// TemplateSelection tells why a template was chosen.
type TemplateSelection struct {
	// candidates are all templates that were looked at, the winner first.
	// +optional
	// +listType=atomic
	Candidates []TemplateCandidate `json:"candidates,omitempty"`
}

// TemplateCandidate is a template that was looked at.
type TemplateCandidate struct {
	// template is its name.
	// +required
	Template string `json:"template"`
	// eligible is false when the template cannot serve the record.
	// +required
	Eligible bool `json:"eligible"`
	// score of an eligible template; the greatest wins.
	// +optional
	Score int32 `json:"score,omitempty"`
	// reasons tell what spoke for or against the template.
	// +optional
	// +listType=atomic
	Reasons []string `json:"reasons,omitempty"`
}

// ResourceReference names a child of a record.
type ResourceReference struct {
	// apiVersion of the child.
	// +required
	APIVersion string `json:"apiVersion"`
	// kind of the child.
	// +required
	Kind string `json:"kind"`
	// name of the child, in the record's namespace.
	// +required
	Name string `json:"name"`
	// uid of the child; empty until it was seen.
	// +optional
	UID string `json:"uid,omitempty"`
	// keep tells that the object holds user data: it outlives the template and, with
	// the deletion policy Retain, the record.
	// +optional
	Keep bool `json:"keep,omitempty"`
}

// FunctionContainerStatus tells the readiness of one function.
type FunctionContainerStatus struct {
	// functionKey is the key of the function's container.
	// +required
	FunctionKey string `json:"functionKey"`
	// workload is the name of the workload that runs the function.
	// +optional
	Workload string `json:"workload,omitempty"`
	// replicas that are wanted.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// readyReplicas that serve.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty"`
	// url at which the function is reached inside the cluster.
	// +optional
	URL string `json:"url,omitempty"`
	// message tells why replicas are missing.
	// +optional
	Message string `json:"message,omitempty"`
}
