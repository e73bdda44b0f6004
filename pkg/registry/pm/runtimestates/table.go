// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package runtimestates

import (
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func columns() []stored.Column[*pm.RuntimeState] {
	return []stored.Column[*pm.RuntimeState]{
		{
			Name: "Cluster", Type: "string", Description: "Cluster that runs the unit.",
			Cell: func(s *pm.RuntimeState) any { return s.Spec.Cluster },
		},
		{
			Name: "Class", Type: "string", Description: "Package and class that run.",
			Cell: func(s *pm.RuntimeState) any { return s.Spec.PackageName + "." + s.Spec.ClassKey },
		},
		{
			Name: "Health", Type: "string", Description: "What the cluster last reported, in one word.",
			Cell: func(s *pm.RuntimeState) any { return string(healthOf(s)) },
		},
		{
			Name: "Ready", Type: "string", Description: "Replicas that serve, of those wanted.",
			Cell: ready,
		},
		{
			Name: "RPS", Type: "string", Description: "Calls per second.",
			Cell: func(s *pm.RuntimeState) any { return s.Status.Total.RequestsPerSecond },
		},
		{
			Name: "Errors", Type: "string", Description: "Calls that failed, in percent.",
			Cell: func(s *pm.RuntimeState) any { return percent(s.Status.Total.ErrorRate) },
		},
		{
			Name: "P95", Type: "string", Description: "95th percentile of the latency, in milliseconds.",
			Cell: func(s *pm.RuntimeState) any { return milliseconds(s.Status.Total.LatencyP95Ms) },
		},
		{
			Name: "CPU", Type: "string", Priority: stored.Wide, Description: "Average use of all replicas together, in cores.",
			Cell: func(s *pm.RuntimeState) any {
				if s.Status.Total.CPU == nil {
					return ""
				}
				return s.Status.Total.CPU.String()
			},
		},
		{
			Name: "Memory", Type: "string", Priority: stored.Wide, Description: "Working set of all replicas together.",
			Cell: func(s *pm.RuntimeState) any {
				if s.Status.Total.Memory == nil {
					return ""
				}
				return s.Status.Total.Memory.String()
			},
		},
		{
			Name: "Environment", Type: "string", Priority: stored.Wide, Description: "Environment that the unit runs in.",
			Cell: func(s *pm.RuntimeState) any { return s.Spec.Environment },
		},
		{
			Name: "Observed", Type: "date", Priority: stored.Wide, Description: "Time since the cluster last observed the unit.",
			Cell: observed,
		},
	}
}

func healthOf(s *pm.RuntimeState) pm.RuntimeHealth {
	if s.Status.Health == "" {
		return pm.RuntimeUnknown
	}
	return s.Status.Health
}

// ready is empty until replicas were counted: 0/0 would look like an answer.
func ready(s *pm.RuntimeState) any {
	if s.Status.MetricsObservedAt == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Status.Total.ReadyReplicas, s.Status.Total.Replicas)
}

func percent(fraction string) string {
	value, err := strconv.ParseFloat(fraction, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(value*100, 'f', 2, 64) + "%"
}

func milliseconds(value string) string {
	if value == "" {
		return ""
	}
	return value + "ms"
}

// observed is the age of the newer half of the report.
func observed(s *pm.RuntimeState) any {
	var newest metav1.Time
	for _, at := range []*metav1.MicroTime{s.Status.StatusObservedAt, s.Status.MetricsObservedAt} {
		if at != nil && at.After(newest.Time) {
			newest = metav1.Time{Time: at.Time}
		}
	}
	return stored.Age(&newest)
}
