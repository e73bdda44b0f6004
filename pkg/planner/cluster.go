// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/wording"
)

// placer chooses clusters for environments. clusters is ordered by name.
type placer struct {
	clusters []*pmv1alpha1.Cluster
	// named are the clusters that the user chose; empty leaves the choice here.
	named    []string
	selector labels.Selector
	// placed are the clusters that run a unit of an environment already.
	placed map[string][]string
	// frozen tells why no new unit may be placed; empty when it may.
	frozen *Problem
}

// place gives the clusters of an environment and what kept others from it.
//
// A unit stays where it is as long as its cluster may host it, even while the
// cluster does not answer: moving state on every hiccup would do more harm.
func (p *placer) place(environment string) ([]string, Problems) {
	if len(p.named) > 0 {
		return p.placeNamed(environment)
	}
	for _, cluster := range p.clusters {
		if slices.Contains(p.placed[environment], cluster.Name) && p.refusal(cluster, environment) == "" {
			return []string{cluster.Name}, nil
		}
	}
	if p.frozen != nil {
		return nil, Problems{p.frozen.in(environment)}
	}
	var fit []*pmv1alpha1.Cluster
	var passedOver []string
	unreachable := false
	for _, cluster := range p.clusters {
		reason := p.refusal(cluster, environment)
		if reason == "" {
			reason = closed(cluster)
		}
		if reason == "" {
			if reason = silent(cluster); reason != "" {
				unreachable = true
			}
		}
		if reason == "" {
			fit = append(fit, cluster)
		} else {
			passedOver = append(passedOver, cluster.Name+" "+reason)
		}
	}
	if len(fit) == 0 {
		return nil, Problems{noCluster(environment, passedOver, unreachable)}
	}
	return []string{slices.MinFunc(fit, compareClusters).Name}, nil
}

// placeNamed puts the environment on every named cluster that hosts it. A
// cluster that does not answer is no reason against it: the user wants this one
// and no other, so the unit waits for it.
func (p *placer) placeNamed(environment string) ([]string, Problems) {
	var chosen, passedOver []string
	var problems Problems
	for _, cluster := range p.clusters {
		if !slices.Contains(p.named, cluster.Name) {
			continue
		}
		if reason := p.refusal(cluster, environment); reason != "" {
			passedOver = append(passedOver, cluster.Name+" "+reason)
			continue
		}
		if !slices.Contains(p.placed[environment], cluster.Name) {
			if p.frozen != nil {
				problems = append(problems, p.frozen.in(environment))
				continue
			}
			if reason := closed(cluster); reason != "" {
				problems = append(problems, Problem{
					Type:        NoCluster,
					Environment: environment,
					Message:     fmt.Sprintf("environment %q gets no new unit on %s: it %s", environment, cluster.Name, reason),
				})
				continue
			}
		}
		chosen = append(chosen, cluster.Name)
	}
	if len(chosen) == 0 && len(problems) == 0 {
		problems = Problems{noCluster(environment, passedOver, false)}
	}
	return chosen, problems
}

// missing reports named clusters that do not exist.
func (p *placer) missing() Problems {
	var problems Problems
	for _, name := range p.named {
		if !slices.ContainsFunc(p.clusters, func(c *pmv1alpha1.Cluster) bool { return c.Name == name }) {
			problems = append(problems, Problem{
				Type:    ClusterNotFound,
				Message: fmt.Sprintf("spec.targetClusters: cluster %q does not exist: create it or take it off the list", name),
			})
		}
	}
	return problems
}

// refusal says why a cluster may not host the environment at all; empty when it
// may.
func (p *placer) refusal(cluster *pmv1alpha1.Cluster, environment string) string {
	if hosted := cluster.Spec.Environments; len(hosted) > 0 && !slices.Contains(hosted, environment) {
		return fmt.Sprintf("hosts only %s", wording.Names(slices.Sorted(slices.Values(hosted))))
	}
	if !p.selector.Matches(labels.Set(cluster.Labels)) {
		return fmt.Sprintf("does not match spec.clusterSelector %s", p.selector)
	}
	return ""
}

// closed says why a cluster takes no new units; empty when it does.
func closed(cluster *pmv1alpha1.Cluster) string {
	switch {
	case cluster.DeletionTimestamp != nil:
		return "is being deleted"
	case cluster.Spec.Unschedulable:
		return "is unschedulable"
	default:
		return ""
	}
}

// BreakerOpen is true while calls to a cluster are kept from it, but for single ones
// that find out whether it answers again.
func BreakerOpen(cluster *pmv1alpha1.Cluster) bool {
	breaker := cluster.Status.CircuitBreaker
	return breaker != nil && (breaker.State == pmv1alpha1.CircuitOpen || breaker.State == pmv1alpha1.CircuitHalfOpen)
}

// silent says why nothing can be expected of a cluster now; empty when it
// answers.
func silent(cluster *pmv1alpha1.Cluster) string {
	switch {
	case BreakerOpen(cluster):
		return fmt.Sprintf("has an open circuit breaker after %d failed calls", cluster.Status.CircuitBreaker.Failures)
	case cluster.Status.Health == pmv1alpha1.ClusterUnhealthy:
		return "is Unhealthy"
	case cluster.Status.Health == pmv1alpha1.ClusterUnknown, cluster.Status.Health == "":
		return "was not heard of yet"
	default:
		return ""
	}
}

// compareClusters orders clusters by how much they are to be preferred: the
// default one, then the one with the smallest share of its CPU allocated (one
// that reports none comes last), then the name.
func compareClusters(a, b *pmv1alpha1.Cluster) int {
	if a.Spec.Default != b.Spec.Default {
		if a.Spec.Default {
			return -1
		}
		return 1
	}
	loadA, loadB := load(a), load(b)
	switch {
	case loadA == nil && loadB != nil:
		return 1
	case loadA != nil && loadB == nil:
		return -1
	case loadA != nil && loadB != nil:
		if order := loadA.Cmp(loadB); order != 0 {
			return order
		}
	}
	return strings.Compare(a.Name, b.Name)
}

// load is the share of a cluster's CPU that is allocated; nil while unknown.
func load(cluster *pmv1alpha1.Cluster) *big.Rat {
	capacity, ok := cluster.Status.Capacity[string(corev1.ResourceCPU)]
	if !ok || capacity.MilliValue() <= 0 {
		return nil
	}
	allocated := cluster.Status.Allocated[string(corev1.ResourceCPU)]
	return big.NewRat(allocated.MilliValue(), capacity.MilliValue())
}

func noCluster(environment string, passedOver []string, unreachable bool) Problem {
	why := "there is no cluster: create one"
	if len(passedOver) > 0 {
		why = wording.Names(passedOver)
	}
	return Problem{
		Type:        NoCluster,
		Environment: environment,
		Message:     fmt.Sprintf("no cluster for environment %q: %s", environment, why),
		Unreachable: unreachable,
	}
}

func (p Problem) in(environment string) Problem {
	p.Environment = environment
	return p
}
