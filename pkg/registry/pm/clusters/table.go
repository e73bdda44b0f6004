// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package clusters

import (
	"fmt"
	"strings"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func columns() []stored.Column[*pm.Cluster] {
	return []stored.Column[*pm.Cluster]{
		{
			Name: "Health", Type: "string", Description: "What the cluster last reported, in one word.",
			Cell: health,
		},
		{
			Name: "Nodes", Type: "string", Description: "Nodes that are ready, of all.",
			Cell: func(c *pm.Cluster) any {
				return fmt.Sprintf("%d/%d", c.Status.ReadyNodes, c.Status.NodeCount)
			},
		},
		{
			Name: "Region", Type: "string", Description: "Where the cluster stands.",
			Cell: func(c *pm.Cluster) any { return c.Spec.Region },
		},
		{
			Name: "Environments", Type: "string", Description: "Environments that the cluster hosts.",
			Cell: func(c *pm.Cluster) any {
				if len(c.Spec.Environments) == 0 {
					return "any"
				}
				return strings.Join(c.Spec.Environments, ",")
			},
		},
		{
			Name: "CRM Version", Type: "string", Description: "Version of the Class Runtime Manager.",
			Cell: func(c *pm.Cluster) any { return c.Status.CRMVersion },
		},
		{
			Name: "Last Seen", Type: "date", Description: "Time since the cluster last answered.",
			Cell: func(c *pm.Cluster) any { return stored.Age(c.Status.LastSeen) },
		},
		{
			Name: "Endpoint", Type: "string", Priority: stored.Wide, Description: "Address of the Class Runtime Manager.",
			Cell: func(c *pm.Cluster) any { return c.Spec.Endpoint },
		},
		{
			Name: "Availability", Type: "string", Priority: stored.Wide, Description: "Fraction of time that the cluster was up.",
			Cell: func(c *pm.Cluster) any { return c.Status.Availability },
		},
		{
			Name: "Circuit", Type: "string", Priority: stored.Wide, Description: "State of the link to the cluster.",
			Cell: func(c *pm.Cluster) any {
				if c.Status.CircuitBreaker == nil {
					return ""
				}
				return string(c.Status.CircuitBreaker.State)
			},
		},
	}
}

// health adds to the report what keeps new units away, as kubectl does for nodes.
func health(c *pm.Cluster) any {
	reported := c.Status.Health
	if reported == "" {
		reported = pm.ClusterUnknown
	}
	if c.Spec.Unschedulable {
		return string(reported) + ",Unschedulable"
	}
	return string(reported)
}
