// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// observation is all that a pass saw of a record.
type observation struct {
	// rendering is nil when renderErr or broken is set, and in a removal.
	rendering *render.Rendering
	renderErr error
	// leftAlone is what runs of a record with a renderErr; nil where nobody could look.
	leftAlone []leftAlone
	// broken is why the pass could not even look at the children.
	broken error
	// children are in the order of rendering.Objects.
	children []child
	// inventory names everything that was made and is not known to be gone.
	inventory []v1alpha1.ResourceReference
	// surplus is no longer wanted and stays until its successors serve; parting is
	// being removed.
	surplus, parting []string
	// predecessors are the functions, by label, that a workload serves which is no
	// longer wanted.
	predecessors map[string]bool
	// recreating says that children were removed in order to make them anew.
	recreating bool
	// troubles of pods, keyed by the label of their function; those of the data grid
	// have troubleOfGrid.
	troubles map[string]trouble
	// grid is what the nodes of the data grid say; nil where nobody asked them.
	grid *v1alpha1.ODGMClusterStatus
	// applied says that every child is as the record wants it.
	applied bool
	// complete passes did everything that the generation asks for.
	complete bool
	// removing says that the record is on its way out.
	removing bool
}

// verdict is one condition in the making.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

// passing says that the pass met what goes away by itself, such as a write in
// between, and has not seen every child as it is.
func (o *observation) passing() bool {
	return slices.ContainsFunc(o.children, func(c child) bool { return c.fault != nil && c.fault.passing })
}

// worst is the reason of the worst faults and what they say; nil when there are
// none.
func (o *observation) worst() *fault {
	var worst *fault
	var messages []string
	for _, c := range o.children {
		switch {
		case c.fault == nil || c.fault.passing || c.fault.reason == ReasonReplacing:
			// What is on its way is no trouble.
			continue
		case worst == nil || compareFaults(c.fault, worst) > 0:
			worst, messages = c.fault, []string{c.fault.Error()}
		case compareFaults(c.fault, worst) == 0:
			messages = append(messages, c.fault.Error())
		}
	}
	if worst == nil {
		return nil
	}
	return &fault{reason: worst.reason, err: errors.New(strings.Join(messages, "; "))}
}

// failed returns the first child beside the workloads that has stopped on its way.
func (o *observation) failed() (verdict, bool) {
	for _, c := range o.children {
		if c.live != nil && c.live.Health.Failed {
			return verdict{metav1.ConditionTrue, c.live.Health.Reason, fmt.Sprintf("%s %s: %s", c.live.Kind.Kind, c.live.Name, c.live.Health.Message)}, true
		}
	}
	return verdict{}, false
}

// leaving are the children that are made anew once they are gone.
func (o *observation) leaving() []string {
	var leaving []string
	for _, c := range o.children {
		if c.leaving() {
			leaving = append(leaving, c.live.Kind.Kind+" "+c.live.Name)
		}
	}
	return leaving
}

// byRef finds children by what a reference names.
func (o *observation) byRef() map[refKey]*child {
	found := make(map[refKey]*child, len(o.children))
	for i := range o.children {
		found[keyOf(refOf(o.children[i].Object))] = &o.children[i]
	}
	return found
}

// serves notes that a workload which is no longer wanted serves a function.
func (o *observation) serves(function string) {
	if o.predecessors == nil {
		o.predecessors = map[string]bool{}
	}
	o.predecessors[function] = true
}

// waiting tells which names predecessors still have.
func (o *observation) waiting() []string {
	var waiting []string
	for _, c := range o.children {
		if c.fault != nil && c.fault.reason == ReasonReplacing {
			waiting = append(waiting, c.fault.Error())
		}
	}
	return waiting
}
