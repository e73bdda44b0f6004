// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

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

// A user who names clusters in bad places must not keep the Package Manager from
// looking after other deployments: each way of sharing may double the states.
func TestHowClustersAreSharedCostsABoundedTime(t *testing.T) {
	const environments, clusters = 16, 256
	for name, test := range map[string]struct {
		// serves tells whether a cluster serves an environment.
		serves func(cluster, environment int) bool
		known  bool
	}{
		"all in the same way":                 {func(int, int) bool { return true }, true},
		"each environment from its own":       {func(c, e int) bool { return c%environments == e }, true},
		"each from its own and its neighbour": {func(c, e int) bool { return c%environments == e || (c+1)%environments == e }, false},
		"hardly any two alike":                {func(c, e int) bool { return (c*2654435761+e*40503*(c+7))>>3%11 == 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			placement, availability := map[string][]string{}, map[string]*big.Rat{}
			for c := range clusters {
				availability[fmt.Sprint(c)] = big.NewRat(999_999_999_000+int64(c), 1_000_000_000_007)
				for e := range environments {
					if test.serves(c, e) {
						placement[fmt.Sprint(e)] = append(placement[fmt.Sprint(e)], fmt.Sprint(c))
					}
				}
			}
			began := time.Now()
			got := achievedAvailability(placement, availability)
			// Minutes are what it takes without a bound.
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if known := got.probability != nil; test.known && !known {
				t.Errorf("the probability is unknown: %s", got.unknown)
			}
			for range 3 {
				if again := achievedAvailability(placement, availability); again.unknown != got.unknown {
					t.Errorf("now it says %q, before it said %q", again.unknown, got.unknown)
				}
			}
		})
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
