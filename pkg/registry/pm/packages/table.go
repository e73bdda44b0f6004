// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func columns() []stored.Column[*pm.Package] {
	return []stored.Column[*pm.Package]{
		{
			Name: "Version", Type: "string", Description: "Version that the developer gave the package.",
			Cell: func(p *pm.Package) any { return p.Spec.Version },
		},
		{
			Name: "Classes", Type: "integer", Description: "Number of classes.",
			Cell: func(p *pm.Package) any { return int64(len(p.Spec.Classes)) },
		},
		{
			Name: "Functions", Type: "integer", Description: "Number of functions.",
			Cell: func(p *pm.Package) any { return int64(len(p.Spec.Functions)) },
		},
		{
			Name: "Disabled", Type: "boolean", Description: "Whether new deployments of its classes are refused.",
			Cell: func(p *pm.Package) any { return p.Spec.Disabled },
		},
		{
			Name: "Ready", Type: "string", Description: "Whether the package can be deployed.",
			Cell: func(p *pm.Package) any {
				return stored.ConditionStatus(p.Status.Conditions, pm.PackageReady)
			},
		},
		{
			Name: "Description", Type: "string", Priority: stored.Wide, Description: "What the package is for.",
			Cell: func(p *pm.Package) any { return p.Spec.Description },
		},
		{
			Name: "Deployments", Type: "integer", Priority: stored.Wide, Description: "Number of class deployments that use the package.",
			Cell: func(p *pm.Package) any { return int64(p.Status.DeploymentCount) },
		},
	}
}
