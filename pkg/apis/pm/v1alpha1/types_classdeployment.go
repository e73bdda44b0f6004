// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:prerelease-lifecycle-gen:introduced=1.0
// +k8s:supportsSubresource="/status"
// +k8s:supportsSubresource="/scale"

// ClassDeployment asks the platform to run a class, by what it must achieve
// rather than by replica counts.
type ClassDeployment struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what the user asks for.
	// +required
	// +k8s:subfield(packageName)=+k8s:immutable
	// +k8s:subfield(classKey)=+k8s:immutable
	Spec ClassDeploymentSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
	// status is what was planned and what runs.
	// +optional
	Status ClassDeploymentStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassDeploymentList is a list of class deployments.
type ClassDeploymentList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the class deployments.
	Items []ClassDeployment `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// ClassDeploymentSpec is what the user asks for.
type ClassDeploymentSpec struct {
	// packageName is the package that defines the class, in the same namespace.
	// It cannot be changed. Only the deployments of a package itself may leave it
	// out.
	// +optional
	// +k8s:optional
	// +k8s:format=k8s-short-name
	PackageName string `json:"packageName,omitempty" protobuf:"bytes,1,opt,name=packageName"`
	// classKey is the class to run. It cannot be changed.
	// +required
	// +k8s:required
	// +k8s:maxLength=200
	ClassKey string `json:"classKey" protobuf:"bytes,2,opt,name=classKey"`
	// targetEnvironments are the environments to run in, one unit each; empty
	// means the environment "default" on the chosen cluster.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=64
	// +k8s:eachVal=+k8s:format=k8s-short-name
	TargetEnvironments []string `json:"targetEnvironments,omitempty" protobuf:"bytes,3,rep,name=targetEnvironments"`
	// targetClusters are the clusters to run on; empty leaves the choice to the
	// planner.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=256
	// +k8s:eachVal=+k8s:format=k8s-short-name
	TargetClusters []string `json:"targetClusters,omitempty" protobuf:"bytes,4,rep,name=targetClusters"`
	// clusterSelector narrows the planner's choice to clusters with matching
	// labels.
	// +optional
	ClusterSelector *metav1.LabelSelector `json:"clusterSelector,omitempty" protobuf:"bytes,5,opt,name=clusterSelector"`
	// placement tells the planner how to choose among clusters.
	// +optional
	// +k8s:optional
	Placement *Placement `json:"placement,omitempty" protobuf:"bytes,6,opt,name=placement"`
	// nfr are the non-functional requirements.
	// +optional
	NFR NFRRequirements `json:"nfr,omitempty" protobuf:"bytes,7,opt,name=nfr"`
	// replicas bound what the planner derives from the requirements.
	// +optional
	// +k8s:optional
	Replicas *ReplicaBounds `json:"replicas,omitempty" protobuf:"bytes,8,opt,name=replicas"`
	// enforcement says how the class runtime keeps the requirements.
	// +optional
	// +k8s:optional
	Enforcement *Enforcement `json:"enforcement,omitempty" protobuf:"bytes,9,opt,name=enforcement"`
	// templates pin a deployment template by environment; environments that are
	// not named get the one that fits the requirements best.
	// +optional
	// +k8s:optional
	// +k8s:eachVal=+k8s:format=k8s-long-name
	Templates map[string]string `json:"templates,omitempty" protobuf:"bytes,10,rep,name=templates"`
	// odgm are settings of the data grid; absent fields follow from the class
	// and the requirements.
	// +optional
	// +k8s:optional
	ODGM *ODGMSpec `json:"odgm,omitempty" protobuf:"bytes,11,opt,name=odgm"`
	// telemetry are the OpenTelemetry settings of the containers.
	// +optional
	// +k8s:optional
	Telemetry *TelemetrySpec `json:"telemetry,omitempty" protobuf:"bytes,12,opt,name=telemetry"`
	// deletionPolicy says what happens to stored data when the deployment is
	// deleted. Defaults to Delete.
	// +optional
	// +default="Delete"
	// +k8s:optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty" protobuf:"bytes,13,opt,name=deletionPolicy,casttype=DeletionPolicy"`
}

// DeletionPolicy says what happens to stored data when a deployment is deleted.
// +enum
// +k8s:enum
type DeletionPolicy string

const (
	// DeletionDelete removes data with the deployment.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionRetain keeps volumes until somebody removes them.
	DeletionRetain DeletionPolicy = "Retain"
)

// NFRRequirements are the non-functional requirements of a deployment.
type NFRRequirements struct {
	// minThroughputRPS is the least sustained rate, in requests per second.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	// +k8s:maximum=1000000000
	MinThroughputRPS *int64 `json:"minThroughputRPS,omitempty" protobuf:"varint,1,opt,name=minThroughputRPS"`
	// maxLatencyMs is the greatest 95th percentile latency, in milliseconds.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	// +k8s:maximum=3600000
	MaxLatencyMs *int64 `json:"maxLatencyMs,omitempty" protobuf:"varint,2,opt,name=maxLatencyMs"`
	// availability is the least fraction of time that the deployment answers, a
	// decimal between 0 and 1 written as a string, such as "0.999".
	// +optional
	Availability string `json:"availability,omitempty" protobuf:"bytes,3,opt,name=availability"`
	// cpuUtilizationTarget is the average CPU use to aim at, in percent of the
	// request, 1 to 100. Defaults to 70 where scaling by CPU applies.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	// +k8s:maximum=100
	CPUUtilizationTarget *int32 `json:"cpuUtilizationTarget,omitempty" protobuf:"varint,4,opt,name=cpuUtilizationTarget"`
}

// ReplicaBounds bound the number of replicas of each function.
type ReplicaBounds struct {
	// min is the least number of replicas.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	Min *int32 `json:"min,omitempty" protobuf:"varint,1,opt,name=min"`
	// max is the greatest number of replicas.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	Max *int32 `json:"max,omitempty" protobuf:"varint,2,opt,name=max"`
}

// UnreachablePolicy says what happens to a requirement that no choice of
// clusters can meet.
// +enum
// +k8s:enum
type UnreachablePolicy string

const (
	// UnreachableBestEffort deploys the best plan and says so in a condition.
	UnreachableBestEffort UnreachablePolicy = "BestEffort"
	// UnreachableRefuse deploys nothing until the requirement can be met.
	UnreachableRefuse UnreachablePolicy = "Refuse"
)

// Placement tells the planner how to choose among clusters.
type Placement struct {
	// onUnreachable says what happens to an availability that the chosen
	// clusters cannot reach. Defaults to BestEffort.
	// +optional
	// +default="BestEffort"
	// +k8s:optional
	OnUnreachable UnreachablePolicy `json:"onUnreachable,omitempty" protobuf:"bytes,1,opt,name=onUnreachable,casttype=UnreachablePolicy"`
}

// EnforcementMode says how far the class runtime goes to keep requirements.
// +enum
// +k8s:enum
type EnforcementMode string

const (
	// EnforcementOff neither measures nor acts.
	EnforcementOff EnforcementMode = "Off"
	// EnforcementObserve measures and recommends.
	EnforcementObserve EnforcementMode = "Observe"
	// EnforcementBasic adjusts replicas within small bounds.
	EnforcementBasic EnforcementMode = "Basic"
	// EnforcementFull also adjusts autoscalers and resources.
	EnforcementFull EnforcementMode = "Full"
)

// Enforcement says how the class runtime keeps the requirements.
type Enforcement struct {
	// mode says how far the class runtime goes; empty means the environment's own.
	// +optional
	// +k8s:optional
	Mode EnforcementMode `json:"mode,omitempty" protobuf:"bytes,1,opt,name=mode,casttype=EnforcementMode"`
	// dimensions restrict enforcement to some requirements: throughput, latency,
	// cpu. Empty means all.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=16
	Dimensions []string `json:"dimensions,omitempty" protobuf:"bytes,2,rep,name=dimensions"`
}

// ODGMSpec are settings of the object data grid beside the functions.
type ODGMSpec struct {
	// collections are the names of the collections; empty derives one from the
	// class.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=64
	// +k8s:eachVal=+k8s:maxLength=200
	Collections []string `json:"collections,omitempty" protobuf:"bytes,1,rep,name=collections"`
	// partitionCount is the number of partitions of each collection.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	// +k8s:maximum=65536
	PartitionCount *int32 `json:"partitionCount,omitempty" protobuf:"varint,2,opt,name=partitionCount"`
	// replicaCount is the number of copies of each partition.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	// +k8s:maximum=64
	ReplicaCount *int32 `json:"replicaCount,omitempty" protobuf:"varint,3,opt,name=replicaCount"`
	// shardType is how copies are kept: raft, mst, basic or none.
	// +optional
	ShardType string `json:"shardType,omitempty" protobuf:"bytes,4,opt,name=shardType"`
	// log is the log filter of the data grid, such as info,openraft=warn.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=4096
	Log string `json:"log,omitempty" protobuf:"bytes,5,opt,name=log"`
	// options are passed to every collection as they stand.
	// +optional
	// +k8s:optional
	// +k8s:eachKey=+k8s:minLength=1
	Options map[string]string `json:"options,omitempty" protobuf:"bytes,6,rep,name=options"`
	// zenohMode is the network mode of the data grid: peer, client or router.
	// +optional
	ZenohMode string `json:"zenohMode,omitempty" protobuf:"bytes,7,opt,name=zenohMode"`
}

// TelemetrySpec are the OpenTelemetry settings of the containers.
type TelemetrySpec struct {
	// enabled turns telemetry on or off; absent leaves it to the environment.
	// +optional
	Enabled *bool `json:"enabled,omitempty" protobuf:"varint,1,opt,name=enabled"`
	// traces exports traces; absent follows enabled.
	// +optional
	Traces *bool `json:"traces,omitempty" protobuf:"varint,2,opt,name=traces"`
	// metrics exports metrics; absent follows enabled.
	// +optional
	Metrics *bool `json:"metrics,omitempty" protobuf:"varint,3,opt,name=metrics"`
	// logs exports logs; absent follows enabled.
	// +optional
	Logs *bool `json:"logs,omitempty" protobuf:"varint,4,opt,name=logs"`
	// samplingRate is the fraction of traces that is kept, a decimal between 0
	// and 1 written as a string.
	// +optional
	SamplingRate string `json:"samplingRate,omitempty" protobuf:"bytes,5,opt,name=samplingRate"`
	// serviceName is the name that the telemetry carries; empty uses the class.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=200
	ServiceName string `json:"serviceName,omitempty" protobuf:"bytes,6,opt,name=serviceName"`
	// resourceAttributes are added to all telemetry.
	// +optional
	// +k8s:optional
	// +k8s:eachKey=+k8s:minLength=1
	ResourceAttributes map[string]string `json:"resourceAttributes,omitempty" protobuf:"bytes,7,rep,name=resourceAttributes"`
}
