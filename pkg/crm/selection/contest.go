// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
)

// contest is one template against one record.
type contest struct {
	Request
	candidate Candidate
	demand    demand
}

// demand is what the functions of the record ask of a template.
type demand struct {
	// functions that are not stopped.
	functions int
	// waiting is a function that keeps a replica, and how many; empty where none
	// does.
	waiting  string
	replicas int32
	// resting is a function that may have no replica; empty where all keep one.
	resting string
	// growing is a function with room to grow.
	growing  string
	min, max int32
}

// demand of the record under the ceiling of a template.
func (r Request) demand(template string) demand {
	d := demand{}
	ceiling := r.Environment.Ceiling(template)
	for i := range r.Record.FunctionContainers {
		container := &r.Record.FunctionContainers[i]
		size := r.Analysis.Size(container, ceiling)
		if size.Stopped() {
			continue
		}
		d.functions++
		switch {
		case size.Min > 0 && d.waiting == "":
			d.waiting, d.replicas = container.FunctionKey, size.Min
		case size.Min == 0 && d.resting == "":
			d.resting = container.FunctionKey
		}
		if size.Max > size.Min && d.growing == "" {
			d.growing, d.min, d.max = container.FunctionKey, size.Min, size.Max
		}
	}
	return d
}

// ceiling of the environment for the template.
func (c contest) ceiling() nfr.Ceiling { return c.Environment.Ceiling(c.candidate.Name) }

// hasState tells that objects of the class have state.
func (c contest) hasState() bool { return c.Record.State != nil }

func (c contest) persistent() bool { return c.hasState() && c.Record.State.Persistent }

// gridMode is how the template would run the class's data grid; None where no grid
// runs.
func (c contest) gridMode() v1alpha1.ODGMMode {
	mode := c.candidate.Spec.ODGM.Mode
	if mode == "" || !c.hasState() || !c.Environment.GridConfigured() {
		return v1alpha1.ODGMNone
	}
	return mode
}

// ownStorage tells that the template's own storage keeps persistent state. Storage
// of a template that runs a grid is the grid's.
func (c contest) ownStorage() bool {
	mode := c.candidate.Spec.ODGM.Mode
	return c.candidate.Spec.Capabilities.PersistentStorage && (mode == "" || mode == v1alpha1.ODGMNone)
}

// keepsState tells that persistent state has a place.
func (c contest) keepsState() bool {
	return c.persistent() && (c.gridMode() != v1alpha1.ODGMNone || c.ownStorage())
}
