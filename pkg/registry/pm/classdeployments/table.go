// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func columns() []stored.Column[*pm.ClassDeployment] {
	return []stored.Column[*pm.ClassDeployment]{
		{
			Name: "Package", Type: "string", Description: "Package that defines the class.",
			Cell: func(d *pm.ClassDeployment) any { return d.Spec.PackageName },
		},
		{
			Name: "Class", Type: "string", Description: "Class that runs.",
			Cell: func(d *pm.ClassDeployment) any { return d.Spec.ClassKey },
		},
		{
			Name: "Phase", Type: "string", Description: "State in one word.",
			Cell: func(d *pm.ClassDeployment) any { return string(d.Status.Phase) },
		},
		{
			Name: "Available", Type: "string", Description: "Whether every unit serves.",
			Cell: func(d *pm.ClassDeployment) any {
				return stored.ConditionStatus(d.Status.Conditions, pm.ClassDeploymentAvailable)
			},
		},
		{
			Name: "Units", Type: "string", Description: "Units that serve, of those that are planned.",
			Cell: func(d *pm.ClassDeployment) any { return units(d.Status.Units) },
		},
		{
			Name: "Environments", Type: "string", Priority: stored.Wide, Description: "Environments that units run in.",
			Cell: func(d *pm.ClassDeployment) any {
				return distinct(d.Status.Units, func(u pm.DeploymentUnitStatus) string { return u.Environment })
			},
		},
		{
			Name: "Clusters", Type: "string", Priority: stored.Wide, Description: "Clusters that run units.",
			Cell: func(d *pm.ClassDeployment) any {
				return distinct(d.Status.Units, func(u pm.DeploymentUnitStatus) string { return u.Cluster })
			},
		},
		{
			Name: "Replicas", Type: "string", Priority: stored.Wide, Description: "Least and greatest number of replicas of each function.",
			Cell: func(d *pm.ClassDeployment) any { return replicas(d.Status.Requirements) },
		},
		{
			Name: "Message", Type: "string", Priority: stored.Wide, Description: "What the deployment waits for or why it failed.",
			Cell: func(d *pm.ClassDeployment) any { return message(d.Status) },
		},
	}
}

// units counts the planned units that serve and all that are planned; those that
// wait to be removed do not count.
func units(all []pm.DeploymentUnitStatus) string {
	available, planned := 0, 0
	for _, unit := range all {
		if !unit.Planned {
			continue
		}
		planned++
		if unit.Available {
			available++
		}
	}
	return fmt.Sprintf("%d/%d", available, planned)
}

func replicas(computed *pm.ComputedRequirements) string {
	if computed == nil {
		return ""
	}
	return fmt.Sprintf("%d-%d", computed.MinReplicas, computed.MaxReplicas)
}

func distinct(units []pm.DeploymentUnitStatus, name func(pm.DeploymentUnitStatus) string) string {
	names := make([]string, 0, len(units))
	for _, unit := range units {
		names = append(names, name(unit))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// message is that of the first step that did not succeed: later steps only fail
// because of it.
func message(status pm.ClassDeploymentStatus) string {
	for _, step := range []string{
		pm.ClassDeploymentPlanned,
		pm.ClassDeploymentDispatched,
		pm.ClassDeploymentAvailable,
	} {
		if c := meta.FindStatusCondition(status.Conditions, step); c != nil && c.Status != metav1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}
