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

// maxOverlapping bounds the work for environments that share clusters in ways
// that cannot be split: 2^maxOverlapping states.
const maxOverlapping = 16

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
// form a group, each group gives a distribution of how many of its environments
// are up, and the distributions of independent groups convolve.
func achievedAvailability(placement map[string][]string, availability map[string]*big.Rat) achieved {
	if !slices.ContainsFunc(slices.Collect(maps.Values(placement)), func(clusters []string) bool { return len(clusters) > 0 }) {
		return achieved{unknown: "no environment has a cluster"}
	}
	if unknown := unknownClusters(placement, availability); len(unknown) > 0 {
		return achieved{unknown: fmt.Sprintf("no availability is reported yet for %s", wording.Names(unknown))}
	}
	total := []*big.Rat{big.NewRat(1, 1)}
	for _, group := range groups(placement) {
		distribution, ok := group.distribution(availability)
		if !ok {
			return achieved{unknown: fmt.Sprintf("more than %d environments share clusters in different ways: give each environment clusters of its own", maxOverlapping)}
		}
		total = convolve(total, distribution)
	}
	majority := new(big.Rat)
	for up := len(placement)/2 + 1; up < len(total); up++ {
		majority.Add(majority, total[up])
	}
	return achieved{probability: majority}
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
// independent groups.
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
	for _, set := range byClusters {
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

// distribution gives at index n the probability that exactly n environments of
// the group are up. It goes cluster by cluster over the sets of environments
// that are up so far.
func (g group) distribution(availability map[string]*big.Rat) ([]*big.Rat, bool) {
	if len(g) > maxOverlapping {
		return nil, false
	}
	serves := map[string]uint32{}
	size := 0
	for i, set := range g {
		size += set.count
		for _, cluster := range set.clusters {
			serves[cluster] |= 1 << i
		}
	}
	states := map[uint32]*big.Rat{0: big.NewRat(1, 1)}
	for cluster, sets := range serves {
		up := availability[cluster]
		down := new(big.Rat).Sub(big.NewRat(1, 1), up)
		next := make(map[uint32]*big.Rat, 2*len(states))
		for state, probability := range states {
			addTo(next, state, new(big.Rat).Mul(probability, down))
			addTo(next, state|sets, new(big.Rat).Mul(probability, up))
		}
		states = next
	}
	distribution := zeros(size + 1)
	for state, probability := range states {
		count := 0
		for i, set := range g {
			if state&(1<<i) != 0 {
				count += set.count
			}
		}
		distribution[count].Add(distribution[count], probability)
	}
	return distribution, true
}

func addTo(states map[uint32]*big.Rat, state uint32, probability *big.Rat) {
	if sum := states[state]; sum != nil {
		sum.Add(sum, probability)
		return
	}
	states[state] = probability
}

// convolve adds two independent counts.
func convolve(a, b []*big.Rat) []*big.Rat {
	sum := zeros(len(a) + len(b) - 1)
	for i, x := range a {
		for j, y := range b {
			sum[i+j].Add(sum[i+j], new(big.Rat).Mul(x, y))
		}
	}
	return sum
}

func zeros(n int) []*big.Rat {
	values := make([]*big.Rat, n)
	for i := range values {
		values[i] = new(big.Rat)
	}
	return values
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
