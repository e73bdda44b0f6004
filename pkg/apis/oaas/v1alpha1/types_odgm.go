// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConsistencyModel is the promise made to a reader of state.
//
// +kubebuilder:validation:Enum=None;ReadYourWrite;BoundedStaleness;Strong
type ConsistencyModel string

const (
	// ConsistencyNone promises nothing.
	ConsistencyNone ConsistencyModel = "None"
	// ConsistencyReadYourWrite lets a caller read what it wrote.
	ConsistencyReadYourWrite ConsistencyModel = "ReadYourWrite"
	// ConsistencyBoundedStaleness bounds the age of what is read.
	ConsistencyBoundedStaleness ConsistencyModel = "BoundedStaleness"
	// ConsistencyStrong lets everybody read the newest.
	ConsistencyStrong ConsistencyModel = "Strong"
)

// ClassState tells what state the objects of a class have.
type ClassState struct {
	// consistencyModel is the promise made to a reader. Defaults to None.
	// +optional
	// +default="None"
	ConsistencyModel ConsistencyModel `json:"consistencyModel,omitempty"`
	// persistent keeps the state across restarts of the data grid.
	// +optional
	Persistent bool `json:"persistent,omitempty"`
	// requiresSingleton keeps all objects in one partition.
	// +optional
	RequiresSingleton bool `json:"requiresSingleton,omitempty"`
	// supportsBatchOperations lets callers read many objects at once.
	// +optional
	SupportsBatchOperations bool `json:"supportsBatchOperations,omitempty"`
}

// MethodBinding is a method of a class.
type MethodBinding struct {
	// name of the method, unique in the class.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	Name string `json:"name"`
	// functionKey is the function that implements it. A key that no function
	// container has belongs to a function without a workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=264
	FunctionKey string `json:"functionKey"`
	// stateless methods do not read or write the object's state.
	// +optional
	Stateless bool `json:"stateless,omitempty"`
	// triggerOnStateChange calls the method whenever the object's state changes.
	// +optional
	TriggerOnStateChange bool `json:"triggerOnStateChange,omitempty"`
	// asyncExecution runs the triggered call without anybody waiting for it.
	// +optional
	AsyncExecution bool `json:"asyncExecution,omitempty"`
}

// ShardType is how the copies of a partition are kept.
//
// +kubebuilder:validation:Enum=raft;mst;basic;none
type ShardType string

const (
	// ShardRaft agrees on every write.
	ShardRaft ShardType = "raft"
	// ShardMST merges versions.
	ShardMST ShardType = "mst"
	// ShardBasic copies without agreement.
	ShardBasic ShardType = "basic"
	// ShardNone keeps no copies.
	ShardNone ShardType = "none"
)

// ODGMConfig are settings of the object data grid.
type ODGMConfig struct {
	// collections are the names of the collections; empty derives one from the
	// class.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Collections []string `json:"collections,omitempty"`
	// partitionCount is the number of partitions of each collection; 0 follows from
	// the throughput.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65536
	PartitionCount int32 `json:"partitionCount,omitempty"`
	// replicaCount is the number of copies of each partition; 0 follows from the
	// state.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	ReplicaCount int32 `json:"replicaCount,omitempty"`
	// shardType is how copies are kept; empty follows from their number and the
	// latency.
	// +optional
	ShardType ShardType `json:"shardType,omitempty"`
	// log is the log filter of the data grid, such as info,openraft=warn.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Log string `json:"log,omitempty"`
	// options are passed to every collection as they stand.
	// +optional
	Options map[string]string `json:"options,omitempty"`
	// zenohMode is the network mode of the data grid.
	// +optional
	// +kubebuilder:validation:Enum=peer;client;router
	ZenohMode string `json:"zenohMode,omitempty"`
}

// ODGMIntegration tells how a function uses the data grid.
type ODGMIntegration struct {
	// collections that the function uses; empty means all of the class.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Collections []string `json:"collections,omitempty"`
	// accessMode is what the function does to them. Defaults to ReadWrite, or
	// ReadOnly where every binding of the function is stateless.
	// +optional
	// +kubebuilder:validation:Enum=ReadWrite;ReadOnly;WriteOnly
	AccessMode string `json:"accessMode,omitempty"`
	// cachingStrategy is what the function may keep. Defaults to None.
	// +optional
	// +kubebuilder:validation:Enum=None;ReadThrough;WriteBehind
	CachingStrategy string `json:"cachingStrategy,omitempty"`
	// eventTriggers are methods of the function that a change of state calls, beside
	// those whose binding says so itself.
	// +optional
	// +listType=map
	// +listMapKey=binding
	// +kubebuilder:validation:MaxItems=1024
	EventTriggers []EventTrigger `json:"eventTriggers,omitempty"`
}

// EventTrigger calls a method when the state of an object changes.
type EventTrigger struct {
	// binding is the name of the method, one that the function implements. The trigger
	// wins over what the binding says itself.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	Binding string `json:"binding"`
	// collections whose objects it is called for; empty means all that the function
	// uses.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Collections []string `json:"collections,omitempty"`
	// asyncExecution runs the call without anybody waiting for it.
	// +optional
	AsyncExecution bool `json:"asyncExecution,omitempty"`
}

// Telemetry are the OpenTelemetry settings of containers.
type Telemetry struct {
	// enabled turns telemetry on or off; absent leaves it to the environment.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// traces exports traces; absent follows enabled.
	// +optional
	Traces *bool `json:"traces,omitempty"`
	// metrics exports metrics; absent follows enabled.
	// +optional
	Metrics *bool `json:"metrics,omitempty"`
	// logs exports logs; absent follows enabled.
	// +optional
	Logs *bool `json:"logs,omitempty"`
	// samplingRate is the fraction of traces that is kept, a decimal between 0 and 1
	// written as a string.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0(\.[0-9]+)?|1(\.0+)?)$`
	SamplingRate string `json:"samplingRate,omitempty"`
	// serviceName is the name that the telemetry carries; empty uses the class.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	ServiceName string `json:"serviceName,omitempty"`
	// resourceAttributes are added to all telemetry.
	// +optional
	ResourceAttributes map[string]string `json:"resourceAttributes,omitempty"`
}

// EnforcementMode says how far requirements are kept.
//
// +kubebuilder:validation:Enum=Off;Observe;Basic;Full
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

// Enforcement says how requirements are kept.
type Enforcement struct {
	// mode says how far; empty means the environment's own.
	// +optional
	Mode EnforcementMode `json:"mode,omitempty"`
	// dimensions restrict enforcement to some requirements: throughput, latency,
	// cpu. Empty means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Enum=throughput;latency;cpu
	Dimensions []string `json:"dimensions,omitempty"`
}

// ODGMClusterStatus is the state of the data grid of a record.
type ODGMClusterStatus struct {
	// clusterID identifies the grid.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// mode is how it runs: Sidecar or Cluster.
	// +optional
	Mode ODGMMode `json:"mode,omitempty"`
	// endpoint reaches it inside the cluster.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// nodes that are wanted.
	// +optional
	Nodes int32 `json:"nodes,omitempty"`
	// readyNodes that serve.
	// +optional
	ReadyNodes int32 `json:"readyNodes,omitempty"`
	// targetNodes is the size that a change of the number of nodes is on its way to,
	// one step at a time; absent at rest.
	// +optional
	TargetNodes *int32 `json:"targetNodes,omitempty"`
	// members are the nodes that were asked for their state.
	// +optional
	// +listType=map
	// +listMapKey=id
	Members []ODGMMember `json:"members,omitempty"`
	// collections are the collections as they were configured.
	// +optional
	// +listType=map
	// +listMapKey=name
	Collections []ODGMCollectionStatus `json:"collections,omitempty"`
	// message tells what is wrong; empty when nothing is.
	// +optional
	Message string `json:"message,omitempty"`
	// lastProbeTime is when the grid's state last changed as seen by a probe.
	// +optional
	LastProbeTime *metav1.Time `json:"lastProbeTime,omitempty"`
}

// ODGMMember is a node of a data grid.
type ODGMMember struct {
	// id of the node.
	// +required
	ID int64 `json:"id"`
	// pod that runs it.
	// +optional
	Pod string `json:"pod,omitempty"`
	// ready nodes serve.
	// +required
	Ready bool `json:"ready"`
	// outdated nodes serve with the members or collections from before a change: they
	// have not been restarted with the new ones.
	// +optional
	Outdated bool `json:"outdated,omitempty"`
	// message tells why a node does not.
	// +optional
	Message string `json:"message,omitempty"`
}

// ODGMCollectionStatus is a collection of a data grid.
type ODGMCollectionStatus struct {
	// name of the collection.
	// +required
	Name string `json:"name"`
	// partitionCount is the number of its partitions.
	// +required
	PartitionCount int32 `json:"partitionCount"`
	// replicaCount is the number of copies of each.
	// +required
	ReplicaCount int32 `json:"replicaCount"`
	// shardType is how copies are kept.
	// +required
	ShardType ShardType `json:"shardType"`
}
