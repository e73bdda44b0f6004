// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"slices"
	"strings"
)

// ProblemType tells what kept a plan, or a part of it, from being made. It is
// the reason of the condition Planned.
type ProblemType string

const (
	// PackageNotFound means that the deployment's package does not exist.
	PackageNotFound ProblemType = "PackageNotFound"
	// PackageDisabled means that the package takes no new units.
	PackageDisabled ProblemType = "PackageDisabled"
	// PackageTerminating means that the package is being deleted.
	PackageTerminating ProblemType = "PackageTerminating"
	// ClassNotFound means that the package has no such class.
	ClassNotFound ProblemType = "ClassNotFound"
	// ClassDisabled means that the class takes no new units.
	ClassDisabled ProblemType = "ClassDisabled"
	// FunctionNotFound means that the class binds a function that neither the
	// package nor the dependency that it names defines.
	FunctionNotFound ProblemType = "FunctionNotFound"
	// FunctionDisabled means that a class that binds the function takes no new
	// units.
	FunctionDisabled ProblemType = "FunctionDisabled"
	// DependencyNotFound means that the class binds a function of a package that
	// does not exist.
	DependencyNotFound ProblemType = "DependencyNotFound"
	// DependencyUnsatisfied means that the class binds a function of a package
	// whose version is not in the range of the dependency.
	DependencyUnsatisfied ProblemType = "DependencyUnsatisfied"
	// FunctionIncomplete means that a function with a workload names no image.
	FunctionIncomplete ProblemType = "FunctionIncomplete"
	// ClusterNotFound means that a named cluster does not exist.
	ClusterNotFound ProblemType = "ClusterNotFound"
	// NoCluster means that no cluster fits an environment.
	NoCluster ProblemType = "NoCluster"
	// TooManyUnits means that the deployment would have more units than its status can
	// list.
	TooManyUnits ProblemType = "TooManyUnits"
	// AvailabilityUnreachable means that the required availability is out of
	// reach and the deployment prefers nothing over less.
	AvailabilityUnreachable ProblemType = "AvailabilityUnreachable"
	// InvalidRequirement means that a requirement or a selector cannot be read.
	InvalidRequirement ProblemType = "InvalidRequirement"
)

// Problem is one thing that kept a plan, or a part of it, from being made.
type Problem struct {
	// Type of the problem.
	Type ProblemType
	// Environment that has no place; empty when the whole plan is concerned.
	Environment string
	// Message names the field, the value and the way out. Where it is about many
	// things it names the first of them.
	Message string
	// Unreachable is true when a cluster that fits exists and only does not
	// answer, so that time may solve the problem.
	Unreachable bool
}

// Problems are all that was found, in a stable order.
type Problems []Problem

// Message joins the messages.
func (p Problems) Message() string {
	messages := make([]string, 0, len(p))
	for _, problem := range p {
		messages = append(messages, problem.Message)
	}
	return strings.Join(messages, "; ")
}

func (p Problems) sort() {
	slices.SortFunc(p, func(a, b Problem) int {
		if order := strings.Compare(a.Environment, b.Environment); order != 0 {
			return order
		}
		if order := strings.Compare(string(a.Type), string(b.Type)); order != 0 {
			return order
		}
		return strings.Compare(a.Message, b.Message)
	})
}
