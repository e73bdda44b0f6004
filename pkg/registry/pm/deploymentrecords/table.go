// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"fmt"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func columns() []stored.Column[*pm.DeploymentRecord] {
	return []stored.Column[*pm.DeploymentRecord]{
		{
			Name: "Cluster", Type: "string", Description: "Cluster that keeps the record.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Spec.Cluster },
		},
		{
			Name: "Environment", Type: "string", Description: "Environment that the unit runs in.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Spec.Environment },
		},
		{
			Name: "Class", Type: "string", Description: "Package and class that run.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Spec.PackageName + "." + r.Spec.ClassKey },
		},
		{
			Name: "Condition", Type: "string", Description: "How the record is doing, in one word.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Status.Condition },
		},
		{
			Name: "Phase", Type: "string", Description: "Step that the record is at.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Status.Phase },
		},
		{
			Name: "Ready", Type: "string", Description: "Replicas that serve, of those wanted, of all functions together.",
			Cell: ready,
		},
		{
			Name: "Stale", Type: "boolean", Description: "Whether the cluster is out of contact, so that the record may have changed since.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Status.Stale },
		},
		{
			Name: "Class Deployment", Type: "string", Priority: stored.Wide, Description: "Class deployment that the unit belongs to.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Spec.ClassDeployment },
		},
		{
			Name: "Template", Type: "string", Priority: stored.Wide, Description: "Template that the cluster chose.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Status.SelectedTemplate },
		},
		{
			Name: "Message", Type: "string", Priority: stored.Wide, Description: "What the record waits for or why it failed.",
			Cell: func(r *pm.DeploymentRecord) any { return r.Status.Message },
		},
	}
}

// ready is empty until the cluster has told of a function: 0/0 would look like an
// answer.
func ready(r *pm.DeploymentRecord) any {
	if len(r.Status.Functions) == 0 {
		return ""
	}
	var serving, wanted int32
	for i := range r.Status.Functions {
		serving += r.Status.Functions[i].ReadyReplicas
		wanted += r.Status.Functions[i].Replicas
	}
	return fmt.Sprintf("%d/%d", serving, wanted)
}
