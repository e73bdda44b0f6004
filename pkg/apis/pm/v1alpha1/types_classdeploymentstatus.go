// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClassDeploymentPhase sums the conditions up in one word.
// +enum
// +k8s:enum
type ClassDeploymentPhase string

const (
	// ClassDeploymentPending has no plan yet.
	ClassDeploymentPending ClassDeploymentPhase = "Pending"
	// ClassDeploymentDeploying is being rolled out.
	ClassDeploymentDeploying ClassDeploymentPhase = "Deploying"
	// ClassDeploymentRunning is available everywhere.
	ClassDeploymentRunning ClassDeploymentPhase = "Running"
	// ClassDeploymentDegraded is available somewhere, but not as planned.
	ClassDeploymentDegraded ClassDeploymentPhase = "Degraded"
	// ClassDeploymentFailed cannot be planned or rolled out without a change.
	ClassDeploymentFailed ClassDeploymentPhase = "Failed"
	// ClassDeploymentTerminating waits for the clusters to confirm the removal.
	ClassDeploymentTerminating ClassDeploymentPhase = "Terminating"
)

const (
	// ClassDeploymentPlanned is True when the spec led to a plan.
	ClassDeploymentPlanned = "Planned"
	// ClassDeploymentDispatched is True when every cluster has accepted its unit.
	ClassDeploymentDispatched = "Dispatched"
	// ClassDeploymentAvailable is True when every unit serves.
	ClassDeploymentAvailable = "Available"
	// ClassDeploymentProgressing is True while units change.
	ClassDeploymentProgressing = "Progressing"
	// ClassDeploymentDegradedCondition is True when something that ran fails.
	ClassDeploymentDegradedCondition = "Degraded"
	// ClassDeploymentAvailabilityTarget is True when the chosen clusters reach the
	// required availability; absent without such a requirement.
	ClassDeploymentAvailabilityTarget = "AvailabilityTargetMet"
)

// ClassDeploymentFinalizer keeps a ClassDeployment until every cluster that got
// a unit has confirmed that it is gone.
const ClassDeploymentFinalizer = "pm.oaas.io/undeploy"

// ClassDeploymentStatus is what was planned and what runs.
type ClassDeploymentStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty" protobuf:"varint,1,opt,name=observedGeneration"`
	// phase sums the conditions up in one word.
	// +optional
	// +k8s:optional
	Phase ClassDeploymentPhase `json:"phase,omitempty" protobuf:"bytes,2,opt,name=phase,casttype=ClassDeploymentPhase"`
	// conditions tell the state: Planned, Dispatched, Available, Progressing,
	// Degraded, AvailabilityTargetMet.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +k8s:optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,3,rep,name=conditions"`
	// requirements are what the planner computed from the spec.
	// +optional
	Requirements *ComputedRequirements `json:"requirements,omitempty" protobuf:"bytes,4,opt,name=requirements"`
	// achievedAvailability is the probability that the plan's majority of
	// environments is up, a decimal.
	// +optional
	AchievedAvailability string `json:"achievedAvailability,omitempty" protobuf:"bytes,5,opt,name=achievedAvailability"`
	// units are the parts of the deployment, one for each environment and cluster.
	// A unit stays listed until its cluster has confirmed that it is gone.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	// +listMapKey=deploymentID
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=cluster
	// +k8s:listMapKey=deploymentID
	Units []DeploymentUnitStatus `json:"units,omitempty" protobuf:"bytes,6,rep,name=units"`
	// packageGeneration is the generation of the package that the status speaks of;
	// 0 while there is no such package.
	// +optional
	PackageGeneration int64 `json:"packageGeneration,omitempty" protobuf:"varint,7,opt,name=packageGeneration"`
	// replicas is the number of replicas that all units want, of all functions.
	// +optional
	Replicas int32 `json:"replicas,omitempty" protobuf:"varint,8,opt,name=replicas"`
	// readyReplicas is the number of those that serve.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty" protobuf:"varint,9,opt,name=readyReplicas"`
}

// ComputedRequirements are what the planner computed from the requirements.
type ComputedRequirements struct {
	// replicationFactor is the number of copies that the availability asks for.
	// +required
	ReplicationFactor int32 `json:"replicationFactor" protobuf:"varint,1,opt,name=replicationFactor"`
	// minReplicas of each function.
	// +required
	MinReplicas int32 `json:"minReplicas" protobuf:"varint,2,opt,name=minReplicas"`
	// maxReplicas of each function.
	// +required
	MaxReplicas int32 `json:"maxReplicas" protobuf:"varint,3,opt,name=maxReplicas"`
}

// DeploymentUnitStatus is the part of a deployment in one environment of one
// cluster.
type DeploymentUnitStatus struct {
	// cluster that runs the unit.
	// +required
	// +k8s:required
	Cluster string `json:"cluster" protobuf:"bytes,1,opt,name=cluster"`
	// deploymentID names the unit's record on that cluster.
	// +required
	// +k8s:required
	DeploymentID string `json:"deploymentID" protobuf:"bytes,2,opt,name=deploymentID"`
	// environment that the unit runs in.
	// +optional
	Environment string `json:"environment,omitempty" protobuf:"bytes,3,opt,name=environment"`
	// condition is the record's own: Pending, Provisioning, Running, Scaling,
	// Failed, Terminated; Unreachable when the cluster does not answer.
	// +optional
	Condition string `json:"condition,omitempty" protobuf:"bytes,4,opt,name=condition"`
	// phase is the step that the record is at, such as PodScheduling.
	// +optional
	Phase string `json:"phase,omitempty" protobuf:"bytes,5,opt,name=phase"`
	// available is true while the unit serves.
	// +optional
	Available bool `json:"available,omitempty" protobuf:"varint,6,opt,name=available"`
	// degraded is true while something that the unit needs fails.
	// +optional
	Degraded bool `json:"degraded,omitempty" protobuf:"varint,7,opt,name=degraded"`
	// planned is false for a unit that left the plan and waits to be removed.
	// +optional
	Planned bool `json:"planned,omitempty" protobuf:"varint,8,opt,name=planned"`
	// dispatchedHash identifies the content that the cluster last accepted.
	// +optional
	DispatchedHash string `json:"dispatchedHash,omitempty" protobuf:"bytes,9,opt,name=dispatchedHash"`
	// message tells in words what the unit waits for or why it failed.
	// +optional
	Message string `json:"message,omitempty" protobuf:"bytes,10,opt,name=message"`
	// functions tell the readiness of each function of the unit. Of thousands in all
	// units together each unit lists some, those that are not ready before others.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +patchMergeKey=key
	// +patchStrategy=merge
	Functions []FunctionStatus `json:"functions,omitempty" patchStrategy:"merge" patchMergeKey:"key" protobuf:"bytes,11,rep,name=functions"`
	// lastUpdated is when the unit's state last changed.
	// +optional
	LastUpdated metav1.Time `json:"lastUpdated,omitempty" protobuf:"bytes,12,opt,name=lastUpdated"`
}

// FunctionStatus tells the readiness of one function of a unit.
type FunctionStatus struct {
	// key of the function.
	// +required
	Key string `json:"key" protobuf:"bytes,1,opt,name=key"`
	// replicas that are wanted.
	// +optional
	Replicas int32 `json:"replicas,omitempty" protobuf:"varint,2,opt,name=replicas"`
	// readyReplicas that serve.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty" protobuf:"varint,3,opt,name=readyReplicas"`
	// url at which the function is reached inside its cluster.
	// +optional
	URL string `json:"url,omitempty" protobuf:"bytes,4,opt,name=url"`
}
