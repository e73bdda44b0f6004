// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
	// functions tell the readiness of each function of the unit. Of thousands in all
	// units together each unit lists some, those that are not ready before others.
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
