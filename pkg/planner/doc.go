// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package planner turns what a ClassDeployment asks for into what is to run
// where: replicas from requirements, clusters for environments, and one
// deployment unit for each of them. It decides and does nothing else: no I/O, no
// clock, no randomness, and the same input in any order gives the same plan.
package planner
