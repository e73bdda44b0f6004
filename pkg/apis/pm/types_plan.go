// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassDeploymentPlan is what would be done for a class deployment if it were
// planned now: the subresource plan of classdeployments.
type ClassDeploymentPlan struct {
	metav1.TypeMeta
	// metadata is that of the class deployment.
	metav1.ObjectMeta

	// plan is what would run where.
	Plan Plan
}

// Plan is what would run where.
type Plan struct {
	// packageGeneration is the generation of the package that the plan was made
	// from; 0 when there is none.
	PackageGeneration int64
	// requirements are the sizes derived from the requirements of the class
	// deployment.
	Requirements ComputedRequirements
	// achievedAvailability is the probability that a majority of the units'
	// clusters is up, a decimal; empty when no availability is asked for or known.
	AchievedAvailability string
	// halted is true when nothing may change: what runs stays as it is.
	Halted bool
	// units are the parts of the plan, and the running parts that would be removed.
	Units []PlannedUnit
	// problems are all that keep the plan from being complete.
	Problems []PlanProblem
}

// PlanAction is what executing a plan would do with a unit.
type PlanAction string

const (
	// PlanCreate would make the unit.
	PlanCreate PlanAction = "Create"
	// PlanUpdate would change the unit in place.
	PlanUpdate PlanAction = "Update"
	// PlanKeep would leave the unit as it is.
	PlanKeep PlanAction = "Keep"
	// PlanRemove would remove the unit.
	PlanRemove PlanAction = "Remove"
)

// PlannedUnit is one part of a plan.
type PlannedUnit struct {
	// cluster that the unit is for.
	Cluster string
	// deploymentID names the unit's record on that cluster.
	DeploymentID string
	// environment that the unit runs in.
	Environment string
	// action is what would be done.
	Action PlanAction
	// template that is asked for; empty when the requirements choose.
	Template string
	// functions are the workloads of the unit.
	Functions []PlannedFunction
}

// PlannedFunction is a workload of a unit.
type PlannedFunction struct {
	// key of the function.
	Key string
	// image that it runs.
	Image string
	// minReplicas is the least number of replicas.
	MinReplicas int32
	// maxReplicas is the greatest number of replicas.
	MaxReplicas int32
}

// PlanProblem is something that keeps a plan from being complete.
type PlanProblem struct {
	// reason in one CamelCase word, as in the condition Planned.
	Reason string
	// message says what is wrong and what to do about it.
	Message string
}
