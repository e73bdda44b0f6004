// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// enumerate adds up all combinations of clusters that are up or down.
func enumerate(placement map[string][]string, availability map[string]*big.Rat) *big.Rat {
	var clusters []string
	for cluster := range availability {
		clusters = append(clusters, cluster)
	}
	sum := new(big.Rat)
	for combination := range 1 << len(clusters) {
		probability, up := big.NewRat(1, 1), map[string]bool{}
		for i, cluster := range clusters {
			factor := availability[cluster]
			if up[cluster] = combination&(1<<i) != 0; !up[cluster] {
				factor = new(big.Rat).Sub(big.NewRat(1, 1), factor)
			}
			probability.Mul(probability, factor)
		}
		serving := 0
		for _, on := range placement {
			if slices.ContainsFunc(on, func(c string) bool { return up[c] }) {
				serving++
			}
		}
		if 2*serving > len(placement) {
			sum.Add(sum, probability)
		}
	}
	return sum
}

func TestAchievedAvailabilityEqualsTheEnumerationOfAllCombinations(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(t *rapid.T) {
		availability := map[string]*big.Rat{}
		for _, name := range names {
			availability[name] = big.NewRat(rapid.Int64Range(0, 1000).Draw(t, name), 1000)
		}
		placement := map[string][]string{"first": {"a"}}
		for i := range rapid.IntRange(0, 6).Draw(t, "environments") {
			placement[fmt.Sprint(i)] = rapid.SliceOfDistinct(rapid.SampledFrom(names), func(s string) string { return s }).Draw(t, "clusters")
		}
		got := achievedAvailability(placement, availability)
		want := enumerate(placement, availability)
		if got.probability == nil || got.probability.Cmp(want) != 0 {
			t.Fatalf("achieved %v, want %v for %v with %v", got.probability, want, placement, availability)
		}
	})
}

func TestAchievedAvailabilityOfManyClustersIsQuick(t *testing.T) {
	placement, availability := map[string][]string{}, map[string]*big.Rat{}
	for i := range 100 {
		name := fmt.Sprint(i)
		placement[name], availability[name] = []string{name}, big.NewRat(999, 1000)
	}
	got := achievedAvailability(placement, availability)
	if got.probability == nil || got.probability.Cmp(big.NewRat(999999, 1000000)) < 0 {
		t.Errorf("a majority of 100 good clusters is up with probability %v, want nearly 1", formatAvailability(got.probability))
	}
}

func TestEnvironmentsThatOverlapInTooManyWaysAreToldRatherThanComputed(t *testing.T) {
	placement, availability := map[string][]string{}, map[string]*big.Rat{}
	for i := range 40 {
		placement[fmt.Sprint(i)] = []string{fmt.Sprint(i), fmt.Sprint(i + 1)}
		availability[fmt.Sprint(i)], availability[fmt.Sprint(i+1)] = big.NewRat(1, 2), big.NewRat(1, 2)
	}
	got := achievedAvailability(placement, availability)
	if got.probability != nil || !strings.Contains(got.unknown, "share clusters") {
		t.Errorf("got %v (%s), want unknown because of shared clusters", got.probability, got.unknown)
	}
}

func TestAvailabilityIsCutAndNotRounded(t *testing.T) {
	for value, want := range map[string]string{"0.99999999": "0.999999", "1": "1", "0": "0", "0.5": "0.5", "0.000001": "0.000001"} {
		rat, _ := new(big.Rat).SetString(value)
		if got := formatAvailability(rat); got != want {
			t.Errorf("%s is written as %q, want %q", value, got, want)
		}
	}
}
