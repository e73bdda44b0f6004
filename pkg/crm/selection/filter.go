// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"fmt"
	"slices"
	"strings"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
)

// obstacles are all reasons why the template cannot serve the record; none for an
// eligible one. Each reads on from the template's name.
func (c contest) obstacles(by way) []string {
	if c.candidate.Invalid != nil {
		// What does not compile has no kinds and no result of when either.
		return []string{fmt.Sprintf("is not valid: %v", c.candidate.Invalid)}
	}
	var found []string
	found = append(found, c.forbidden(by)...)
	found = append(found, c.unserved()...)
	found = append(found, c.unmatched()...)
	found = append(found, c.incapable()...)
	found = append(found, c.unmountable(by)...)
	found = append(found, c.asleep(by)...)
	return append(found, c.forgetful()...)
}

// forbidden: somebody does not want the template here.
func (c contest) forbidden(by way) []string {
	var found []string
	spec := c.candidate.Spec
	if by == chosen {
		if spec.SelectionCriteria.OnlyPinned {
			found = append(found, "is used only where a record pins it")
		}
		if serving := spec.Capabilities.Serving; serving != nil && !*serving {
			found = append(found, "does not serve calls")
		}
	}
	if only := spec.SelectionCriteria.Environments; len(only) > 0 && !slices.Contains(only, c.Environment.Name) {
		found = append(found, fmt.Sprintf("is for other environments: %s", strings.Join(slices.Sorted(slices.Values(only)), ", ")))
	}
	if _, allowed := c.Environment.Allowed(c.candidate.Name); !allowed {
		found = append(found, fmt.Sprintf("is not among the allowedTemplates of environment %q", c.Environment.Name))
	}
	if spec.Type == v1alpha1.TemplateTypeKnative && !c.Environment.Defaults.Knative {
		found = append(found, "needs Knative, which the Class Runtime Manager's settings turn off: set OPRC_CRM_FEATURES_KNATIVE=true")
	}
	return found
}

// unserved: the cluster lacks a kind.
func (c contest) unserved() []string {
	if len(c.candidate.Missing) == 0 {
		return nil
	}
	kinds := make([]string, 0, len(c.candidate.Missing))
	for _, kind := range c.candidate.Missing {
		kinds = append(kinds, kind.String())
	}
	slices.Sort(kinds)
	return []string{"needs kinds that the cluster does not serve: " + strings.Join(slices.Compact(kinds), ", ")}
}

// unmatched: the template's own condition excludes the record.
func (c contest) unmatched() []string {
	switch {
	case c.candidate.MatchError != nil:
		return []string{fmt.Sprintf("cannot tell whether it fits: selectionCriteria.when: %v", c.candidate.MatchError)}
	case !c.candidate.Matches:
		return []string{fmt.Sprintf("is not for this record: selectionCriteria.when is false: %s", c.candidate.Spec.SelectionCriteria.When)}
	}
	return nil
}

// incapable: the template cannot promise what the record needs.
func (c contest) incapable() []string {
	var found []string
	capable := c.candidate.Spec.Capabilities
	if most := capable.MaxThroughputRPS; most != nil && *most < c.Analysis.MinThroughputRPS {
		found = append(found, fmt.Sprintf("cannot sustain %d requests per second: its greatest rate is %d", c.Analysis.MinThroughputRPS, *most))
	}
	if least, bound := capable.MinLatencyMs, c.Analysis.MaxLatencyMs; least != nil && bound > 0 && *least > bound {
		found = append(found, fmt.Sprintf("cannot keep %d ms: its least latency is %d ms", bound, *least))
	}
	ceiling := c.ceiling()
	for _, container := range c.Record.FunctionContainers {
		for _, excess := range nfr.Exceeds(container.Resources, ceiling) {
			found = append(found, fmt.Sprintf("may not give function %q %s of %s: the environment's ceiling is %s",
				container.FunctionKey, excess.Asked.String(), excess.Name, excess.Most.String()))
		}
	}
	return found
}

// reservedByKnative are paths that some version of Knative does not let functions
// mount at.
var reservedByKnative = []string{"/dev", "/dev/log", "/tmp", "/var", "/var/log"}

// unmountable: Knative mounts claims only where an operator turned that on, and not
// everywhere, depending on its version. A pin says that it does here.
func (c contest) unmountable(by way) []string {
	if by == pinned || c.candidate.Spec.Type != v1alpha1.TemplateTypeKnative {
		return nil
	}
	var found []string
	for i := range c.Record.FunctionContainers {
		container := &c.Record.FunctionContainers[i]
		for j := range container.VolumeMounts {
			mount := &container.VolumeMounts[j]
			if mount.PersistentVolumeClaim != nil {
				found = append(found, fmt.Sprintf("mounts the PersistentVolumeClaim %q of function %q only where Knative's config-features say so: pin the template if they do",
					mount.PersistentVolumeClaim.ClaimName, container.FunctionKey))
			}
			if slices.Contains(reservedByKnative, mount.MountPath) {
				found = append(found, fmt.Sprintf("mounts nothing at %s in some versions of Knative, which function %q asks for: pin the template if yours does",
					mount.MountPath, container.FunctionKey))
			}
		}
	}
	return found
}

// asleep: the first call after a rest would come too late, or nothing may rest.
func (c contest) asleep(by way) []string {
	if !c.candidate.Spec.Capabilities.ScaleToZero {
		return nil
	}
	// A pinned template whose functions all keep a replica never starts cold.
	if by == pinned && c.demand.resting == "" {
		return nil
	}
	var found []string
	if bound := c.Analysis.MaxLatencyMs; bound > 0 && bound < ColdStartMs {
		found = append(found, fmt.Sprintf("cannot keep %d ms: it scales to zero, and a cold start may take %d ms", bound, ColdStartMs))
	}
	if c.Analysis.Copies > 1 {
		found = append(found, fmt.Sprintf("scales to zero, and the availability asks for %d replicas at any time", c.Analysis.Copies))
	}
	if by == chosen && c.demand.waiting != "" {
		found = append(found, fmt.Sprintf("scales to zero, and function %q keeps %d replicas at any time", c.demand.waiting, c.demand.replicas))
	}
	return found
}

// forgetful: persistent state has no place.
func (c contest) forgetful() []string {
	// Without a configured grid state is not kept anywhere, whatever the template;
	// the record's status says so, and its functions run.
	if !c.persistent() || !c.Environment.GridConfigured() || c.keepsState() {
		return nil
	}
	return []string{"cannot keep persistent state: it has neither a data grid nor persistent storage"}
}
