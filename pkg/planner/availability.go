// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"oaas.io/oaas/pkg/wording"
)

// availabilityDigits is how many digits after the point an availability is
// reported with; the rest is cut, so that a report never promises too much.
const availabilityDigits = 6

const (
	// maxOverlapping bounds the environments that share clusters in ways that cannot
	// be split: what is up of them has 2^maxOverlapping states.
	maxOverlapping = 16
	// maxSteps bounds the work for them, which is once through the states for each
	// way of sharing. It takes a fraction of a second.
	maxSteps = 1 << 17
)

// achieved is the availability of a placement.
type achieved struct {
	// probability that a majority of the environments is up; nil while unknown.
	probability *big.Rat
	// unknown says why there is no probability.
	unknown string
}

// achievedAvailability is the probability that more than half of the
// environments are up. An environment is up while one of its clusters is;
// clusters fail independently of each other, while environments that share a
// cluster fail with it. placement lists the clusters of each environment, none
// for an environment without a place, which counts as down.
//
// The sum over independent members is exact: environments that share clusters
// form a group, each group gives the chances of how many of its environments are
// up, and those of independent groups convolve.
func achievedAvailability(placement map[string][]string, availability map[string]*big.Rat) achieved {
	if !slices.ContainsFunc(slices.Collect(maps.Values(placement)), func(clusters []string) bool { return len(clusters) > 0 }) {
		return achieved{unknown: "no environment has a cluster"}
	}
	if unknown := unknownClusters(placement, availability); len(unknown) > 0 {
		return achieved{unknown: fmt.Sprintf("no availability is reported yet for %s", wording.Names(unknown))}
	}
	total := certainly(0)
	for _, group := range groups(placement) {
		chances, ok := group.chances(availability)
		if !ok {
			return achieved{unknown: "too many environments share clusters in different ways: give each environment clusters of its own"}
		}
		total = total.and(chances)
	}
	majority := new(big.Int)
	for up := len(placement)/2 + 1; up < len(total.ways); up++ {
		majority.Add(majority, total.ways[up])
	}
	return achieved{probability: new(big.Rat).SetFrac(majority, total.all)}
}

// chances are how likely each number of environments is to be up: for n it is
// ways[n] of all. Fractions of one denominator need not be reduced at each step,
// which would cost far more than the step.
type chances struct {
	ways []*big.Int
	all  *big.Int
}

// certainly is a number that is sure, and none above it.
func certainly(n int) chances {
	ways := zeros(n + 1)
	ways[n].SetInt64(1)
	return chances{ways: ways, all: big.NewInt(1)}
}

// and adds two independent numbers.
func (c chances) and(other chances) chances {
	sum := chances{ways: zeros(len(c.ways) + len(other.ways) - 1), all: new(big.Int).Mul(c.all, other.all)}
	product := new(big.Int)
	for i, x := range c.ways {
		for j, y := range other.ways {
			sum.ways[i+j].Add(sum.ways[i+j], product.Mul(x, y))
		}
	}
	return sum
}

func zeros(n int) []*big.Int {
	values := make([]*big.Int, n)
	for i := range values {
		values[i] = new(big.Int)
	}
	return values
}

func unknownClusters(placement map[string][]string, availability map[string]*big.Rat) []string {
	var unknown []string
	for _, clusters := range placement {
		for _, cluster := range clusters {
			if availability[cluster] == nil {
				unknown = append(unknown, cluster)
			}
		}
	}
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// environmentSet is a number of environments that have the very same clusters,
// and therefore are up at the same time.
type environmentSet struct {
	clusters []string
	count    int
}

// group is a set of environments that are connected by common clusters.
type group []environmentSet

// groups merges environments of the same clusters and splits the rest into
// independent groups. The same placement always gives the same groups: whether one
// is too much work must not change from one look to the next.
func groups(placement map[string][]string) []group {
	byClusters := map[string]*environmentSet{}
	for _, clusters := range placement {
		sorted := slices.Compact(slices.Sorted(slices.Values(clusters)))
		key := strings.Join(sorted, "/")
		if byClusters[key] == nil {
			byClusters[key] = &environmentSet{clusters: sorted}
		}
		byClusters[key].count++
	}
	var result []group
	for _, key := range slices.Sorted(maps.Keys(byClusters)) {
		set := byClusters[key]
		merged := group{*set}
		apart := result[:0:0]
		for _, other := range result {
			if other.shares(set.clusters) {
				merged = append(merged, other...)
			} else {
				apart = append(apart, other)
			}
		}
		result = append(apart, merged)
	}
	return result
}

func (g group) shares(clusters []string) bool {
	return slices.ContainsFunc(g, func(set environmentSet) bool {
		return slices.ContainsFunc(set.clusters, func(c string) bool { return slices.Contains(clusters, c) })
	})
}

// chances goes over the sets of environments that are up so far, once for each way
// in which clusters serve several of them. It returns false for more work than it is
// worth.
func (g group) chances(availability map[string]*big.Rat) (chances, bool) {
	if len(g) > maxOverlapping {
		return chances{}, false
	}
	served, size := g.served(availability)
	states, all, steps := map[uint32]*big.Int{0: big.NewInt(1)}, big.NewInt(1), 0
	for _, sets := range slices.Sorted(maps.Keys(served)) {
		if steps += len(states); steps > maxSteps {
			return chances{}, false
		}
		by := served[sets]
		up := new(big.Int).Sub(by.all, by.down)
		next := make(map[uint32]*big.Int, 2*len(states))
		for state, ways := range states {
			addTo(next, state, new(big.Int).Mul(ways, by.down))
			addTo(next, state|sets, new(big.Int).Mul(ways, up))
		}
		states, all = next, all.Mul(all, by.all)
	}
	result := chances{ways: zeros(size + 1), all: all}
	for state, ways := range states {
		count := 0
		for i, set := range g {
			if state&(1<<i) != 0 {
				count += set.count
			}
		}
		result.ways[count].Add(result.ways[count], ways)
	}
	return result, true
}

// outage is the chance that several clusters are down at the same time: down of all.
type outage struct{ down, all *big.Int }

// served are the outages of the clusters that serve the same sets of the group, by
// these sets, and size is the number of the group's environments.
func (g group) served(availability map[string]*big.Rat) (outages map[uint32]outage, size int) {
	sets := map[string]uint32{}
	for i, set := range g {
		size += set.count
		for _, cluster := range set.clusters {
			sets[cluster] |= 1 << i
		}
	}
	outages = map[uint32]outage{}
	for cluster, serves := range sets {
		together, found := outages[serves]
		if !found {
			together = outage{down: big.NewInt(1), all: big.NewInt(1)}
			outages[serves] = together
		}
		up := availability[cluster]
		together.down.Mul(together.down, new(big.Int).Sub(up.Denom(), up.Num()))
		together.all.Mul(together.all, up.Denom())
	}
	return outages, size
}

func addTo(states map[uint32]*big.Int, state uint32, ways *big.Int) {
	if sum := states[state]; sum != nil {
		sum.Add(sum, ways)
		return
	}
	states[state] = ways
}

// formatAvailability writes a probability as a decimal, cut and not rounded.
func formatAvailability(probability *big.Rat) string {
	if probability == nil {
		return ""
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(availabilityDigits), nil)
	scaled := new(big.Int).Mul(probability.Num(), scale)
	scaled.Quo(scaled, probability.Denom())
	whole, fraction := new(big.Int).QuoRem(scaled, scale, new(big.Int))
	digits := strings.TrimRight(fmt.Sprintf("%0*d", availabilityDigits, fraction), "0")
	if digits == "" {
		return whole.String()
	}
	return whole.String() + "." + digits
}
