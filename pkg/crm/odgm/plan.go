// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"fmt"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Input is everything that decides how a grid looks.
type Input struct {
	// Record whose class has the state.
	Record *v1alpha1.DeploymentRecord
	// Environment of the record, every default filled in.
	Environment v1alpha1.EnvironmentConfigSpec
	// Mode of the record's template.
	Mode v1alpha1.ODGMMode
	// Image of a node where the environment names none; empty runs no grid.
	Image string
	// Functions are the functions that have a workload, in the record's order.
	Functions []Function
	// Nodes is the number of nodes to run now, in mode Cluster: a step on the way to
	// the number that is wanted, as NextNodes gives it. 0 is the number that is
	// wanted. In mode Sidecar the replicas of the functions are the nodes, and the
	// caller passes each step as their number.
	Nodes int32
	// RequireSpread never runs two nodes on one machine, in mode Cluster; otherwise they
	// are kept apart as far as the machines suffice.
	RequireSpread bool
	// ManagerNamespace is where this program runs. A NetworkPolicy lets it ask the
	// nodes for their health. Empty lets nobody in on its behalf.
	ManagerNamespace string
}

// Function is a function that has a workload.
type Function struct {
	// Key is the function's key in the record.
	Key string
	// Name of the function's workload.
	Name string
	// URL reaches the function inside the cluster.
	URL string
	// Port on which the function's container listens.
	Port int32
	// Replicas of the function.
	Replicas int32
}

// Absence tells why a record has no grid.
type Absence string

const (
	// Present: the record has a grid.
	Present Absence = ""
	// AbsentNoState: the class has no state.
	AbsentNoState Absence = "NoState"
	// AbsentMode: the template runs no grid.
	AbsentMode Absence = "TemplateHasNone"
	// AbsentNotConfigured: neither the environment nor the program's settings name an
	// image.
	AbsentNotConfigured Absence = "NotConfigured"
	// AbsentNoFunctions: nodes would run beside functions, and the record has none.
	AbsentNoFunctions Absence = "NoFunctions"
)

// Message tells the absence in a sentence, with what to do about it.
func (a Absence) Message() string {
	switch a {
	case Present:
		return ""
	case AbsentNoState:
		return "the class has no state"
	case AbsentMode:
		return "the template runs no data grid: the state of the class is kept nowhere; choose a template whose odgm.mode is Sidecar or Cluster"
	case AbsentNotConfigured:
		return "no image of the data grid is configured, so that the class runs without its state: set odgm.image of the EnvironmentConfig or OPRC_CRM_ODGM_IMAGE"
	case AbsentNoFunctions:
		return "the template runs the data grid beside functions, and the record has no function"
	default:
		return string(a)
	}
}

// Absent tells whether a record has a grid, and why not.
func Absent(in Input) Absence {
	switch {
	case in.Record.Spec.State == nil:
		return AbsentNoState
	case in.Mode == "" || in.Mode == v1alpha1.ODGMNone:
		return AbsentMode
	case imageOf(in) == "":
		return AbsentNotConfigured
	case in.Mode == v1alpha1.ODGMSidecar && len(in.Functions) == 0:
		return AbsentNoFunctions
	default:
		return Present
	}
}

func imageOf(in Input) string {
	if image := in.Environment.ODGM.Image; image != "" {
		return image
	}
	return in.Image
}

// InvalidError is a setting of a record that no grid can keep. Nothing but a change
// of the record or its environment helps.
type InvalidError struct {
	// Field of the record, such as spec.odgmConfig.partitionCount.
	Field string
	// Value that cannot be kept.
	Value any
	// Reason tells why, and what would do.
	Reason string
}

// Error names the field, its value and the remedy.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Field, e.Value, e.Reason)
}

// Plan returns the grid of a record, or nil where Absent tells that it has none.
// The error is an *InvalidError.
func Plan(in Input) (*Grid, error) {
	if Absent(in) != Present {
		return nil, nil //nolint:nilnil // Absent tells why
	}
	return plan(in)
}
