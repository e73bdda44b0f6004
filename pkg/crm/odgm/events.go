// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import "oaas.io/oaas/pkg/apis/oaas/v1alpha1"

const (
	// strictLatencyMs is the latency bound, in milliseconds, below which triggers
	// nest less deeply.
	strictLatencyMs     = 100
	strictTriggerDepth  = 5
	defaultTriggerDepth = 10
	// defaultTriggerTimeoutMs and minTriggerTimeoutMs are in milliseconds.
	defaultTriggerTimeoutMs = 5_000
	minTriggerTimeoutMs     = 1_000
	batchSize               = 100
	batchTimeoutMs          = 1_000
)

// events are the triggers of a class and their bounds.
type events struct {
	triggers  []trigger
	depth     int64
	timeoutMs int64
}

// trigger calls a function when the state of an object changes.
type trigger struct {
	binding  string
	function string
	// collections of the object; empty means all that the function uses.
	collections []string
	async       bool
}

func eventsOf(in Input) events {
	e := events{depth: defaultTriggerDepth, timeoutMs: defaultTriggerTimeoutMs}
	if latency := in.Record.Spec.NFRRequirements.MaxLatencyMs; latency != nil {
		if *latency < strictLatencyMs {
			e.depth = strictTriggerDepth
		}
		// Half the latency: a trigger is a part of the call that set it off.
		e.timeoutMs = max(*latency/2, minTriggerTimeoutMs)
	}
	e.triggers = triggersOf(&in.Record.Spec)
	return e
}

// triggersOf are what the functions ask for, and the bindings for themselves, in the
// order of the bindings.
func triggersOf(spec *v1alpha1.DeploymentRecordSpec) []trigger {
	asked := map[string]v1alpha1.EventTrigger{}
	for i := range spec.FunctionContainers {
		if integration := spec.FunctionContainers[i].ODGMIntegration; integration != nil {
			for _, t := range integration.EventTriggers {
				asked[t.Binding] = t
			}
		}
	}
	var triggers []trigger
	for _, binding := range spec.Bindings {
		if t, ok := asked[binding.Name]; ok {
			triggers = append(triggers, trigger{binding: binding.Name, function: binding.FunctionKey, collections: t.Collections, async: t.AsyncExecution})
		} else if binding.TriggerOnStateChange {
			triggers = append(triggers, trigger{binding: binding.Name, function: binding.FunctionKey, async: binding.AsyncExecution})
		}
	}
	return triggers
}

// routes are the bindings that a node can call, and the names of those that it
// cannot because their function has no workload.
func routes(in Input) (map[string]route, []string) {
	urls := make(map[string]string, len(in.Functions))
	for _, f := range in.Functions {
		urls[f.Key] = f.URL
	}
	found, disabled := map[string]route{}, []string{}
	for _, binding := range in.Record.Spec.Bindings {
		url := urls[binding.FunctionKey]
		if url == "" {
			disabled = append(disabled, binding.Name)
			continue
		}
		found[binding.Name] = newRoute(url, binding)
	}
	return found, disabled
}

func newRoute(url string, binding v1alpha1.MethodBinding) route {
	return route{URL: url, Stateless: binding.Stateless, ActiveGroup: []uint64{}}
}
