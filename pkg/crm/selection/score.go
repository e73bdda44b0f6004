// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"fmt"
	"slices"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Points of the score; the package documentation tells when each is given.
const (
	pointsGrowing     = 30
	pointsResting     = 20
	pointsGridCluster = 30
	pointsGridSidecar = 20
	pointsGridLocal   = 35
	pointsOwnStorage  = 25
	pointsCloseBound  = 20
	pointsAnyBound    = 10
	pointsLean        = 10
	pointsEnvironment = 15
)

// point is a part of the score.
type point struct {
	value  int32
	reason string
}

// points of an eligible template, without those that are zero.
func (c contest) points() []point {
	all := []point{c.growth(), c.rest(), c.state(), c.latency(), c.lean(), c.place(), c.priority()}
	return slices.DeleteFunc(all, func(p point) bool { return p.value == 0 })
}

func (c contest) growth() point {
	if !c.candidate.Spec.Capabilities.Autoscaling || c.demand.growing == "" {
		return point{}
	}
	return point{pointsGrowing, fmt.Sprintf("follows the load, such as function %q from %d to %d replicas", c.demand.growing, c.demand.min, c.demand.max)}
}

func (c contest) rest() point {
	if !c.candidate.Spec.Capabilities.ScaleToZero || c.demand.functions == 0 || c.demand.waiting != "" || c.Analysis.MinThroughputRPS > RestingThroughputRPS {
		return point{}
	}
	return point{pointsResting, "scales to zero while nobody calls"}
}

func (c contest) state() point {
	switch mode := c.gridMode(); {
	case mode == v1alpha1.ODGMCluster:
		return point{pointsGridCluster, "runs the data grid as a cluster of its own"}
	case mode == v1alpha1.ODGMSidecar && c.Analysis.MaxLatencyMs > 0 && c.Analysis.MaxLatencyMs < LocalStateMs:
		return point{pointsGridLocal, fmt.Sprintf("runs the data grid beside the functions, which helps to keep %d ms", c.Analysis.MaxLatencyMs)}
	case mode == v1alpha1.ODGMSidecar:
		return point{pointsGridSidecar, "runs the data grid beside the functions"}
	case c.persistent() && c.ownStorage():
		return point{pointsOwnStorage, "has persistent storage of its own"}
	}
	return point{}
}

func (c contest) latency() point {
	most, bound := c.candidate.Spec.Capabilities.MaxLatencyMs, c.Analysis.MaxLatencyMs
	switch {
	case most == nil:
		return point{pointsAnyBound, "is good for any latency"}
	case bound > 0 && bound <= *most:
		return point{pointsCloseBound, fmt.Sprintf("is made for latencies up to %d ms", *most)}
	}
	return point{}
}

func (c contest) lean() point {
	if c.candidate.Spec.Capabilities.PersistentStorage && !c.keepsState() {
		return point{}
	}
	return point{pointsLean, "brings no storage that nothing would use"}
}

func (c contest) place() point {
	if !slices.Contains(c.candidate.Spec.SelectionCriteria.Environments, c.Environment.Name) {
		return point{}
	}
	return point{pointsEnvironment, "is made for the environment"}
}

func (c contest) priority() point {
	return point{c.candidate.Spec.SelectionCriteria.Priority, "by its priority"}
}

// remarks are what a user should know of an eligible template although it changes
// no score.
func (c contest) remarks() []string {
	switch {
	case !c.hasState() || (c.persistent() && c.ownStorage()):
		return nil
	case !c.Environment.GridConfigured():
		return []string{"state is not kept: no image of the data grid is configured"}
	case c.gridMode() == v1alpha1.ODGMNone:
		return []string{"state is not kept: the template runs no data grid"}
	case c.persistent() && c.Environment.Spec.ODGM.Storage == nil:
		return []string{"state lives as long as the pods of the data grid: the environment gives them no storage"}
	}
	return nil
}
