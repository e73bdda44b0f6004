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
}

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

// ClassDeploymentPhase sums the conditions up in one word.
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
	ObservedGeneration int64
	// phase sums the conditions up in one word.
	Phase ClassDeploymentPhase
	// conditions tell the state: Planned, Dispatched, Available, Progressing,
	// Degraded, AvailabilityTargetMet.
	Conditions []metav1.Condition
	// requirements are what the planner computed from the spec.
	Requirements *ComputedRequirements
	// achievedAvailability is the probability that the plan's majority of
	// environments is up, a decimal.
	AchievedAvailability string
	// units are the parts of the deployment, one for each environment and cluster.
	// A unit stays listed until its cluster has confirmed that it is gone.
	Units []DeploymentUnitStatus
	// packageGeneration is the generation of the package that the status speaks of;
	// 0 while there is no such package.
	PackageGeneration int64
	// replicas is the number of replicas that all units want, of all functions.
	Replicas int32
	// readyReplicas is the number of those that serve.
	ReadyReplicas int32
}

// ComputedRequirements are what the planner computed from the requirements.
type ComputedRequirements struct {
	// replicationFactor is the number of copies that the availability asks for.
	ReplicationFactor int32
	// minReplicas of each function.
	MinReplicas int32
	// maxReplicas of each function.
	MaxReplicas int32
}

// DeploymentUnitStatus is the part of a deployment in one environment of one
// cluster.
type DeploymentUnitStatus struct {
	// cluster that runs the unit.
	Cluster string
	// deploymentID names the unit's record on that cluster.
	DeploymentID string
	// environment that the unit runs in.
	Environment string
	// condition is the record's own: Pending, Provisioning, Running, Scaling,
	// Failed, Terminated; Unreachable when the cluster does not answer.
	Condition string
	// phase is the step that the record is at, such as PodScheduling.
	Phase string
	// available is true while the unit serves.
	Available bool
	// degraded is true while something that the unit needs fails.
	Degraded bool
	// planned is false for a unit that left the plan and waits to be removed.
	Planned bool
	// dispatchedHash identifies the content that the cluster last accepted.
	DispatchedHash string
	// message tells in words what the unit waits for or why it failed.
	Message string
	// functions tell the readiness of each function of the unit.
	Functions []FunctionStatus
	// lastUpdated is when the unit's state last changed.
	LastUpdated metav1.Time
}

// FunctionStatus tells the readiness of one function of a unit.
type FunctionStatus struct {
	// key of the function.
	Key string
	// replicas that are wanted.
	Replicas int32
	// readyReplicas that serve.
	ReadyReplicas int32
	// url at which the function is reached inside its cluster.
	URL string
}
