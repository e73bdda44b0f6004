// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/odgm/env"
)

// TestEveryNodeStarts plans grids for any record and environment and starts every
// node, as far as reading its environment.
func TestEveryNodeStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t)
		grid, err := odgm.Plan(in)
		if err != nil {
			if _, ok := errors.AsType[*odgm.InvalidError](err); !ok {
				t.Fatalf("an error that does not say what to change: %v", err)
			}
			t.Skip("nothing to run: " + err.Error())
		}
		if grid == nil {
			t.Fatalf("no grid: %s", odgm.Absent(in))
		}
		for id, variables := range nodes(t, grid, in) {
			config, err := env.Read(func(name string) string { return variables[name] })
			if err != nil {
				t.Fatalf("node %d refuses to start: %v\n%v", id, err, variables)
			}
			if config.NodeID != id || !slices.Equal(config.Members, grid.Members) {
				t.Fatalf("node %d of %v took itself for %d of %v", id, grid.Members, config.NodeID, config.Members)
			}
			if len(config.Collections) != len(grid.Collections) {
				t.Fatalf("node %d knows %d of %d collections", id, len(config.Collections), len(grid.Collections))
			}
			for i, c := range config.Collections {
				if c.Name != grid.Collections[i].Name || len(c.Invocations.Routes)+len(c.Invocations.Disabled) != len(in.Record.Spec.Bindings) {
					t.Fatalf("node %d reads collection %+v", id, c)
				}
			}
		}
	})
}

// TestNamesFit holds names and labels of any record against what Kubernetes makes
// of them.
func TestNamesFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?`).Draw(t, "record")
		other := rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?`).Draw(t, "other")
		namesOf := func(record string) []string {
			in := input(func(in *odgm.Input) { in.Record.Name = record })
			grid := mustPlan(t, in)
			var names []string
			for _, object := range grid.Objects() {
				meta := object.(metav1.Object) //nolint:forcetypeassert // every object has one
				for key, value := range meta.GetLabels() {
					if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
						t.Fatalf("label %s=%q: %v", key, value, problems)
					}
				}
				names = append(names, fmt.Sprintf("%T/%s", object, meta.GetName()))
				if problems := validation.IsDNS1035Label(meta.GetName()); len(problems) > 0 {
					t.Fatalf("name %q: %v", meta.GetName(), problems)
				}
			}
			set := objectOf[*appsv1.StatefulSet](t, grid)
			// What the StatefulSet's controller appends: a revision of 10 characters as a
			// label, an ordinal as a host name.
			if length := len(set.Name) + len("-0123456789"); length > validation.LabelValueMaxLength {
				t.Fatalf("the revision of %q needs %d characters", set.Name, length)
			}
			return names
		}
		if name == other {
			return
		}
		seen := namesOf(name)
		for _, n := range namesOf(other) {
			if slices.Contains(seen, n) {
				t.Fatalf("records %q and %q share %s", name, other, n)
			}
		}
	})
}

// TestGrowthMovesLittle adds nodes one at a time: only the new one gets anything, no
// more than its share, and it ends in balance.
func TestGrowthMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.Int32Range(1, 64).Draw(t, "partitions")
		copies := rapid.Int32Range(1, 5).Draw(t, "copies")
		at := func(nodes int32) []odgm.Assignment {
			return mustPlan(t, input(func(in *odgm.Input) {
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: partitions, ReplicaCount: copies}
				in.Nodes = nodes
			})).Collections[0].Partitions
		}
		before := at(copies)
		for nodes := copies + 1; nodes <= 12; nodes++ {
			after, moved := at(nodes), 0
			held, led := map[uint64]int{}, map[uint64]int{}
			for p := range after {
				led[after[p].Primary]++
				for i, node := range after[p].Replicas {
					held[node]++
					if slices.Contains(before[p].Replicas, node) {
						if !slices.Contains(before[p].Shards, after[p].Shards[i]) {
							t.Fatalf("partition %d: the copy on node %d stayed and got another id", p, node)
						}
						continue
					}
					moved++
					if node != uint64(nodes) {
						t.Fatalf("with node %d, a copy of partition %d moved to node %d", nodes, p, node)
					}
					if slices.Contains(before[p].Shards, after[p].Shards[i]) {
						t.Fatalf("partition %d: the copy that moved to node %d kept its id", p, node)
					}
				}
			}
			total := int(partitions * copies)
			if share := total/int(nodes) + 1; moved > share {
				t.Fatalf("node %d took %d copies, its share is %d", nodes, moved, share)
			}
			for id := range uint64(nodes) {
				if got := held[id+1]; got < total/int(nodes)-1 || got > total/int(nodes)+2 {
					t.Fatalf("node %d of %d holds %d of %d copies: %v", id+1, nodes, got, total, held)
				}
				if got := led[id+1]; got > int(partitions)/int(nodes)+3 {
					t.Fatalf("node %d of %d leads %d of %d partitions: %v", id+1, nodes, got, partitions, led)
				}
			}
			before = after
		}
	})
}

// TestFunctionsKeepTheirNodes adds and removes functions beside which nodes run.
func TestFunctionsKeepTheirNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringN(1, 20, 60), 1, 8, rapid.ID[string]).Draw(t, "functions")
		starts := func(keys []string) map[string]int32 {
			in := input(func(in *odgm.Input) {
				in.Mode, in.Functions = v1alpha1.ODGMSidecar, nil
				for _, key := range keys {
					in.Functions = append(in.Functions, odgm.Function{Key: key, Replicas: 2, Port: 8080})
				}
			})
			grid, found := mustPlan(t, in), map[string]int32{}
			for _, key := range keys {
				sidecar, _ := grid.Sidecar(key)
				found[key] = sidecar.OrdinalStart
			}
			return found
		}
		all := starts(keys)
		for key, start := range starts(keys[:1]) {
			if all[key] != start {
				t.Fatalf("function %q starts at %d alone and at %d among others", key, start, all[key])
			}
		}
		seen := map[int32]string{}
		for key, start := range all {
			if before, ok := seen[start]; ok {
				t.Fatalf("functions %q and %q share ids from %d", key, before, start)
			}
			seen[start] = key
		}
	})
}

func anyInput(t *rapid.T) odgm.Input {
	text := rapid.StringN(1, 12, 40)
	number := func(most int32, label string) int32 { return rapid.Int32Range(0, most).Draw(t, label) }
	in := input(func(in *odgm.Input) {
		in.Mode = rapid.SampledFrom([]v1alpha1.ODGMMode{v1alpha1.ODGMCluster, v1alpha1.ODGMSidecar}).Draw(t, "mode")
		spec := &in.Record.Spec
		spec.DeploymentUnit.ClassKey = text.Draw(t, "class")
		spec.State = &v1alpha1.ClassState{
			Persistent:              rapid.Bool().Draw(t, "persistent"),
			RequiresSingleton:       rapid.Bool().Draw(t, "singleton"),
			SupportsBatchOperations: rapid.Bool().Draw(t, "batch"),
		}
		if rapid.Bool().Draw(t, "has latency") {
			spec.NFRRequirements.MaxLatencyMs = new(rapid.Int64Range(1, 20_000).Draw(t, "latency"))
		}
		if rapid.Bool().Draw(t, "has throughput") {
			spec.NFRRequirements.MinThroughputRPS = new(rapid.Int64Range(0, 50_000).Draw(t, "throughput"))
		}
		spec.ResourceAllocation.ReplicationFactor = number(100, "replication factor")
		spec.ODGMConfig = &v1alpha1.ODGMConfig{
			Collections:    rapid.SliceOfNDistinct(rapid.OneOf(text, rapid.StringMatching(`[a-zß_.-]{1,12}`)), 0, 3, rapid.ID[string]).Draw(t, "collections"),
			PartitionCount: number(80, "partitions"),
			ReplicaCount:   number(12, "copies"),
			ShardType:      rapid.SampledFrom([]v1alpha1.ShardType{"", "raft", "mst", "basic", "none"}).Draw(t, "shard"),
			Options:        rapid.MapOfN(text, text, 0, 3).Draw(t, "options"),
			Log:            text.Draw(t, "log"),
		}
		in.Environment.ODGM.MaxReplicaCount = number(4, "greatest copies")
		in.Environment.ODGM.Collections = []v1alpha1.CollectionTemplate{{Name: "*", PartitionCount: number(20, "template's partitions"), ReplicaCount: number(6, "template's copies")}}
		in.Nodes = number(5, "nodes now")
		in.Functions, spec.FunctionContainers, spec.Bindings = nil, nil, nil
		for _, key := range rapid.SliceOfNDistinct(text, 1, 4, rapid.ID[string]).Draw(t, "functions") {
			in.Functions = append(in.Functions, odgm.Function{
				Key: key, Name: "f", URL: "http://" + key, Replicas: number(6, "replicas"),
				Port: rapid.SampledFrom([]int32{8080, 8079, 8078, 7447}).Draw(t, "port"),
			})
			spec.FunctionContainers = append(spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: key})
			spec.Bindings = append(spec.Bindings,
				v1alpha1.MethodBinding{Name: "call " + key, FunctionKey: key, TriggerOnStateChange: rapid.Bool().Draw(t, "trigger")},
				v1alpha1.MethodBinding{Name: "missing " + key, FunctionKey: "missing " + key})
		}
	})
	return in
}
