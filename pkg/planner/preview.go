// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"cmp"
	"slices"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// Preview compares a plan with the units that the deployment's status lists, and
// says what executing the plan would do with each. Of a deployment that is being
// deleted every unit goes, whatever the plan is.
func Preview(deployment *pmv1alpha1.ClassDeployment, plan Plan) pmv1alpha1.Plan {
	preview := pmv1alpha1.Plan{
		PackageGeneration:    plan.PackageGeneration,
		Requirements:         plan.Requirements,
		AchievedAvailability: plan.Availability.Achieved,
		Halted:               plan.Halted,
	}
	for _, problem := range plan.Problems {
		preview.Problems = append(preview.Problems, pmv1alpha1.PlanProblem{Reason: string(problem.Type), Message: problem.Message})
	}
	deleting := deployment.DeletionTimestamp != nil
	if !deleting {
		for _, unit := range plan.Units {
			preview.Units = append(preview.Units, previewUnit(deployment, plan, unit))
		}
	}
	for _, unit := range deployment.Status.Units {
		if slices.ContainsFunc(preview.Units, func(u pmv1alpha1.PlannedUnit) bool {
			return u.Cluster == unit.Cluster && u.DeploymentID == unit.DeploymentID
		}) {
			continue
		}
		action := pmv1alpha1.PlanRemove
		if plan.Halted && unit.Planned && !deleting {
			action = pmv1alpha1.PlanKeep
		}
		preview.Units = append(preview.Units, pmv1alpha1.PlannedUnit{
			Cluster: unit.Cluster, DeploymentID: unit.DeploymentID, Environment: unit.Environment, Action: action,
		})
	}
	slices.SortStableFunc(preview.Units, func(a, b pmv1alpha1.PlannedUnit) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.DeploymentID, b.DeploymentID))
	})
	return preview
}

func previewUnit(deployment *pmv1alpha1.ClassDeployment, plan Plan, unit Unit) pmv1alpha1.PlannedUnit {
	return pmv1alpha1.PlannedUnit{
		Cluster:      unit.Cluster,
		DeploymentID: unit.Content.GetId(),
		Environment:  unit.Content.GetEnvironment(),
		Action:       action(deployment.Status.Units, unit),
		Template:     unit.Content.GetTemplate(),
		Functions:    previewFunctions(unit.Content.GetFunctionContainers(), plan.Requirements),
	}
}

// action compares the content of a unit with what its cluster last accepted.
func action(known []pmv1alpha1.DeploymentUnitStatus, unit Unit) pmv1alpha1.PlanAction {
	index := slices.IndexFunc(known, func(u pmv1alpha1.DeploymentUnitStatus) bool {
		return u.Cluster == unit.Cluster && u.DeploymentID == unit.Content.GetId()
	})
	switch {
	case index < 0 || known[index].DispatchedHash == "":
		return pmv1alpha1.PlanCreate
	case known[index].DispatchedHash == unit.Content.GetHash():
		return pmv1alpha1.PlanKeep
	default:
		return pmv1alpha1.PlanUpdate
	}
}

func previewFunctions(containers []*deploymentv1.FunctionContainer, size pmv1alpha1.ComputedRequirements) []pmv1alpha1.PlannedFunction {
	var functions []pmv1alpha1.PlannedFunction
	for _, container := range containers {
		function := pmv1alpha1.PlannedFunction{
			Key: container.GetFunctionKey(), Image: container.GetImage(), MinReplicas: size.MinReplicas, MaxReplicas: size.MaxReplicas,
		}
		if container.MinReplicas != nil {
			function.MinReplicas = container.GetMinReplicas()
		}
		if container.MaxReplicas != nil {
			function.MaxReplicas = container.GetMaxReplicas()
		}
		functions = append(functions, function)
	}
	return functions
}
