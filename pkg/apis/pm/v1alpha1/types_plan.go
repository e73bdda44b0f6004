// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// ClassDeploymentPlan is what would be done for a class deployment if it were
// planned now: the subresource plan of classdeployments.
type ClassDeploymentPlan struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is that of the class deployment.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// plan is what would run where.
	// +required
	Plan Plan `json:"plan" protobuf:"bytes,2,opt,name=plan"`
}

// Plan is what would run where.
type Plan struct {
	// packageGeneration is the generation of the package that the plan was made
	// from; 0 when there is none.
	// +optional
	PackageGeneration int64 `json:"packageGeneration,omitempty" protobuf:"varint,1,opt,name=packageGeneration"`
	// requirements are the sizes derived from the requirements of the class
	// deployment.
	// +optional
	Requirements ComputedRequirements `json:"requirements,omitempty" protobuf:"bytes,2,opt,name=requirements"`
	// achievedAvailability is the probability that a majority of the units'
	// clusters is up, a decimal; empty when no availability is asked for or known.
	// +optional
	AchievedAvailability string `json:"achievedAvailability,omitempty" protobuf:"bytes,3,opt,name=achievedAvailability"`
	// halted is true when nothing may change: what runs stays as it is.
	// +optional
	Halted bool `json:"halted,omitempty" protobuf:"varint,4,opt,name=halted"`
	// units are the parts of the plan, and the running parts that would be removed.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	// +listMapKey=deploymentID
	// +k8s:optional
	Units []PlannedUnit `json:"units,omitempty" protobuf:"bytes,5,rep,name=units"`
	// problems are all that keep the plan from being complete.
	// +optional
	// +listType=atomic
	Problems []PlanProblem `json:"problems,omitempty" protobuf:"bytes,6,rep,name=problems"`
}

// PlanAction is what executing a plan would do with a unit.
// +enum
// +k8s:enum
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
	// +required
	Cluster string `json:"cluster" protobuf:"bytes,1,opt,name=cluster"`
	// deploymentID names the unit's record on that cluster.
	// +required
	DeploymentID string `json:"deploymentID" protobuf:"bytes,2,opt,name=deploymentID"`
	// environment that the unit runs in.
	// +optional
	Environment string `json:"environment,omitempty" protobuf:"bytes,3,opt,name=environment"`
	// action is what would be done.
	// +required
	// +k8s:required
	Action PlanAction `json:"action" protobuf:"bytes,4,opt,name=action,casttype=PlanAction"`
	// template that is asked for; empty when the requirements choose.
	// +optional
	Template string `json:"template,omitempty" protobuf:"bytes,5,opt,name=template"`
	// functions are the workloads of the unit.
	// +optional
	// +listType=map
	// +listMapKey=key
	Functions []PlannedFunction `json:"functions,omitempty" protobuf:"bytes,6,rep,name=functions"`
}

// PlannedFunction is a workload of a unit.
type PlannedFunction struct {
	// key of the function.
	// +required
	Key string `json:"key" protobuf:"bytes,1,opt,name=key"`
	// image that it runs.
	// +required
	Image string `json:"image" protobuf:"bytes,2,opt,name=image"`
	// minReplicas is the least number of replicas.
	// +optional
	MinReplicas int32 `json:"minReplicas,omitempty" protobuf:"varint,3,opt,name=minReplicas"`
	// maxReplicas is the greatest number of replicas.
	// +optional
	MaxReplicas int32 `json:"maxReplicas,omitempty" protobuf:"varint,4,opt,name=maxReplicas"`
}

// PlanProblem is something that keeps a plan from being complete.
type PlanProblem struct {
	// reason in one CamelCase word, as in the condition Planned.
	// +required
	Reason string `json:"reason" protobuf:"bytes,1,opt,name=reason"`
	// message says what is wrong and what to do about it.
	// +required
	Message string `json:"message" protobuf:"bytes,2,opt,name=message"`
}
