// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"cmp"
	"fmt"

	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// workload is how the workload of one function is doing.
type workload struct {
	function render.Function
	// created replicas exist, ready ones serve.
	created, ready int32
	// available functions have the replicas that they need, of any revision.
	available bool
	// settled workloads have nothing left to roll out.
	settled bool
	// scaling workloads change their size only.
	scaling bool
	// failed workloads have stopped rolling out.
	failed bool
	// waiting says in words what a workload that is not settled waits for.
	waiting string
	// url reaches the function.
	url     string
	trouble *trouble
}

// name of the object that runs the function.
func (w workload) name() string {
	if w.function.Workload != nil {
		return w.function.Workload.Name
	}
	return w.function.Name
}

// message tells why replicas are missing; empty when none is.
func (w workload) message() string {
	switch {
	case w.trouble != nil:
		return w.trouble.reason + ": " + w.trouble.text()
	case w.settled:
		return ""
	default:
		return w.waiting
	}
}

func workloadsOf(seen *observation) []workload {
	workloads := make([]workload, 0, len(seen.rendering.Functions))
	known := seen.byRef()
	childOf := func(ref *render.Ref) *child {
		if ref == nil {
			return nil
		}
		return known[refKey{ref.GroupKind(), ref.Name}]
	}
	for _, function := range seen.rendering.Functions {
		w := workload{function: function, url: function.URL}
		w.observe(childOf(function.Workload), childOf(function.Endpoint))
		w.available = w.available || seen.predecessors[names.LabelValue(function.Key)]
		// A pod that has ended is history once the workload is whole again.
		if found, ok := seen.troubles[names.LabelValue(function.Key)]; ok && (!found.ended || !w.settled) {
			w.trouble = &found
		}
		workloads = append(workloads, w)
	}
	return workloads
}

// observe reads the state of the objects that run the function and lead to it; nil
// where there is none.
func (w *workload) observe(runs, endpoint *child) {
	if endpoint != nil && endpoint.live != nil {
		w.url = cmp.Or(endpoint.live.Health.URL, w.url)
	}
	switch {
	case w.function.Workload == nil:
		// The template marks no object as the one that runs the function.
		w.available, w.settled, w.created, w.ready = true, true, w.function.Replicas, w.function.Replicas
		return
	case runs == nil:
		w.waiting = fmt.Sprintf("The template does not make the %s that it marks.", w.function.Workload.Kind)
		return
	case runs.postponed:
		w.waiting = "Waiting for the data grid."
		return
	case runs.live == nil, runs.live.Leaving():
		w.waiting = fmt.Sprintf("Waiting for the %s.", w.function.Workload.Kind)
		return
	}
	health := runs.live.Health
	w.created, w.ready = health.Created, health.Ready
	if !health.Counted && health.Available {
		w.created, w.ready = w.function.Replicas, w.function.Replicas
	}
	w.available, w.settled, w.scaling, w.failed, w.waiting = health.Available, health.Settled, health.Scaling, health.Failed, health.Message
	if health.Failed || health.Refused {
		w.trouble = &trouble{reason: health.Reason, message: health.Message}
	}
}
