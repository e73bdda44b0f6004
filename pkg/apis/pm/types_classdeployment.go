// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassDeployment asks the platform to run a class, by what it must achieve
// rather than by replica counts.
type ClassDeployment struct {
	metav1.TypeMeta
	// metadata is standard object metadata.
	metav1.ObjectMeta

	// spec is what the user asks for.
	Spec ClassDeploymentSpec
	// status is what was planned and what runs.
	Status ClassDeploymentStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassDeploymentList is a list of class deployments.
type ClassDeploymentList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the class deployments.
	Items []ClassDeployment
}

// ClassDeploymentSpec is what the user asks for.
type ClassDeploymentSpec struct {
	// packageName is the package that defines the class, in the same namespace.
	// It cannot be changed. Only the deployments of a package itself may leave it
	// out.
	PackageName string
	// classKey is the class to run. It cannot be changed.
	ClassKey string
	// targetEnvironments are the environments to run in, one unit each; empty
	// means the environment "default" on the chosen cluster.
	TargetEnvironments []string
	// targetClusters are the clusters to run on; empty leaves the choice to the
	// planner.
	TargetClusters []string
	// clusterSelector narrows the planner's choice to clusters with matching
	// labels.
	ClusterSelector *metav1.LabelSelector
	// placement tells the planner how to choose among clusters.
	Placement *Placement
	// nfr are the non-functional requirements.
	NFR NFRRequirements
	// replicas bound what the planner derives from the requirements.
	Replicas *ReplicaBounds
	// enforcement says how the class runtime keeps the requirements.
	Enforcement *Enforcement
	// templates pin a deployment template by environment; environments that are
	// not named get the one that fits the requirements best.
	Templates map[string]string
	// odgm are settings of the data grid; absent fields follow from the class
	// and the requirements.
	ODGM *ODGMSpec
	// telemetry are the OpenTelemetry settings of the containers.
	Telemetry *TelemetrySpec
	// deletionPolicy says what happens to stored data when the deployment is
	// deleted. Defaults to Delete.
	DeletionPolicy DeletionPolicy
}

// DeletionPolicy says what happens to stored data when a deployment is deleted.
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
	MinThroughputRPS *int64
	// maxLatencyMs is the greatest 95th percentile latency, in milliseconds.
	MaxLatencyMs *int64
	// availability is the least fraction of time that the deployment answers, a
	// decimal between 0 and 1 written as a string, such as "0.999".
	Availability string
	// cpuUtilizationTarget is the average CPU use to aim at, in percent of the
	// request, 1 to 100. Defaults to 70 where scaling by CPU applies.
	CPUUtilizationTarget *int32
}

// ReplicaBounds bound the number of replicas of each function.
type ReplicaBounds struct {
	// min is the least number of replicas.
	Min *int32
	// max is the greatest number of replicas.
	Max *int32
}

// UnreachablePolicy says what happens to a requirement that no choice of
// clusters can meet.
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
	OnUnreachable UnreachablePolicy
}

// EnforcementMode says how far the class runtime goes to keep requirements.
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
	Mode EnforcementMode
	// dimensions restrict enforcement to some requirements: throughput, latency,
	// cpu. Empty means all.
	Dimensions []string
}

// ODGMSpec are settings of the object data grid beside the functions.
type ODGMSpec struct {
	// collections are the names of the collections; empty derives one from the
	// class.
	Collections []string
	// partitionCount is the number of partitions of each collection.
	PartitionCount *int32
	// replicaCount is the number of copies of each partition.
	ReplicaCount *int32
	// shardType is how copies are kept: raft, mst, basic or none.
	ShardType string
	// log is the log filter of the data grid, such as info,openraft=warn.
	Log string
	// options are passed to every collection as they stand.
	Options map[string]string
	// zenohMode is the network mode of the data grid: peer, client or router.
	ZenohMode string
}

// TelemetrySpec are the OpenTelemetry settings of the containers.
type TelemetrySpec struct {
	// enabled turns telemetry on or off; absent leaves it to the environment.
	Enabled *bool
	// traces exports traces; absent follows enabled.
	Traces *bool
	// metrics exports metrics; absent follows enabled.
	Metrics *bool
	// logs exports logs; absent follows enabled.
	Logs *bool
	// samplingRate is the fraction of traces that is kept, a decimal between 0
	// and 1 written as a string.
	SamplingRate string
	// serviceName is the name that the telemetry carries; empty uses the class.
	ServiceName string
	// resourceAttributes are added to all telemetry.
	ResourceAttributes map[string]string
}
