// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

func TestCollections(t *testing.T) {
	type want = v1alpha1.ODGMCollectionStatus
	throughput := func(rps int64) func(*odgm.Input) {
		return func(in *odgm.Input) { in.Record.Spec.NFRRequirements.MinThroughputRPS = new(rps) }
	}
	latency := func(ms int64) func(*odgm.Input) {
		return func(in *odgm.Input) { in.Record.Spec.NFRRequirements.MaxLatencyMs = new(ms) }
	}
	state := func(s v1alpha1.ClassState) func(*odgm.Input) {
		return func(in *odgm.Input) { in.Record.Spec.State = &s }
	}
	config := func(c v1alpha1.ODGMConfig) func(*odgm.Input) {
		return func(in *odgm.Input) { in.Record.Spec.ODGMConfig = &c }
	}
	environment := func(e v1alpha1.EnvironmentODGM) func(*odgm.Input) {
		return func(in *odgm.Input) { in.Environment.ODGM = e }
	}
	changes := func(c ...func(*odgm.Input)) []func(*odgm.Input) { return c }
	cases := map[string]struct {
		change []func(*odgm.Input)
		want   []want
		nodes  int32
	}{
		"plain state has two copies of four partitions": {
			want: []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"a singleton has one partition": {
			change: changes(state(v1alpha1.ClassState{RequiresSingleton: true}), throughput(50_000)),
			want:   []want{{Name: "Cart_singleton", PartitionCount: 1, ReplicaCount: 3, ShardType: "raft"}}, nodes: 3,
		},
		"batches have at least four partitions": {
			change: changes(state(v1alpha1.ClassState{SupportsBatchOperations: true}), throughput(10)),
			want:   []want{{Name: "Cart_collection", PartitionCount: 4, ReplicaCount: 3, ShardType: "raft"}}, nodes: 3,
		},
		"batches of a high rate have more": {
			change: changes(state(v1alpha1.ClassState{SupportsBatchOperations: true}), throughput(5_001)),
			want:   []want{{Name: "Cart_collection", PartitionCount: 8, ReplicaCount: 3, ShardType: "raft"}}, nodes: 3,
		},
		"1,000 requests per second fit one partition": {
			change: changes(throughput(1_000)),
			want:   []want{{Name: "Cart_data", PartitionCount: 1, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"1,001 need four": {
			change: changes(throughput(1_001)),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"20,000 need eight": {
			change: changes(throughput(20_000)),
			want:   []want{{Name: "Cart_data", PartitionCount: 8, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"20,001 need sixteen": {
			change: changes(throughput(20_001)),
			want:   []want{{Name: "Cart_data", PartitionCount: 16, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"a latency below 50 ms leaves no time to agree": {
			change: changes(latency(49)),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "basic"}}, nodes: 2,
		},
		"50 ms do": {
			change: changes(latency(50)),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"strong consistency agrees whatever the latency": {
			change: changes(latency(10), state(v1alpha1.ClassState{ConsistencyModel: v1alpha1.ConsistencyStrong})),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"one copy has nobody to agree with": {
			change: changes(config(v1alpha1.ODGMConfig{ReplicaCount: 1})),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 1, ShardType: "basic"}}, nodes: 1,
		},
		"the environment bounds copies, and with them the nodes": {
			change: changes(state(v1alpha1.ClassState{RequiresSingleton: true}), environment(v1alpha1.EnvironmentODGM{MaxReplicaCount: 1}),
				func(in *odgm.Input) { in.Record.Spec.ResourceAllocation.ReplicationFactor = 3 }),
			want: []want{{Name: "Cart_singleton", PartitionCount: 1, ReplicaCount: 1, ShardType: "basic"}}, nodes: 1,
		},
		"availability asks for more nodes than copies": {
			change: changes(func(in *odgm.Input) { in.Record.Spec.ResourceAllocation.ReplicationFactor = 5 }),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 5,
		},
		"the user's collections win, all alike": {
			change: changes(config(v1alpha1.ODGMConfig{Collections: []string{"orders", "carts"}, PartitionCount: 2, ReplicaCount: 3, ShardType: "mst"})),
			want: []want{
				{Name: "carts", PartitionCount: 2, ReplicaCount: 3, ShardType: "mst"},
				{Name: "orders", PartitionCount: 2, ReplicaCount: 3, ShardType: "mst"},
			}, nodes: 3,
		},
		"the environment's steps replace the built-in ones": {
			change: changes(throughput(900), environment(v1alpha1.EnvironmentODGM{PartitionStrategy: []v1alpha1.PartitionStep{
				{MaxThroughputRPS: 0, Partitions: 32}, {MaxThroughputRPS: 1_000, Partitions: 6}, {MaxThroughputRPS: 100, Partitions: 2},
			}})),
			want: []want{{Name: "Cart_data", PartitionCount: 6, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"a rate beyond all steps gets the greatest": {
			change: changes(throughput(9_000), environment(v1alpha1.EnvironmentODGM{PartitionStrategy: []v1alpha1.PartitionStep{
				{MaxThroughputRPS: 100, Partitions: 2}, {MaxThroughputRPS: 1_000, Partitions: 6},
			}})),
			want: []want{{Name: "Cart_data", PartitionCount: 6, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
		"a collection's own template goes before the one for all, and the record before both": {
			change: changes(config(v1alpha1.ODGMConfig{Collections: []string{"a", "b"}, ReplicaCount: 2}),
				environment(v1alpha1.EnvironmentODGM{Collections: []v1alpha1.CollectionTemplate{
					{Name: "b", PartitionCount: 7}, {Name: "*", PartitionCount: 3, ReplicaCount: 5, ShardType: "mst"},
				}})),
			want: []want{
				{Name: "a", PartitionCount: 3, ReplicaCount: 2, ShardType: "mst"},
				{Name: "b", PartitionCount: 7, ReplicaCount: 2, ShardType: "mst"},
			}, nodes: 2,
		},
		"no template splits a singleton": {
			change: changes(state(v1alpha1.ClassState{RequiresSingleton: true}),
				environment(v1alpha1.EnvironmentODGM{Collections: []v1alpha1.CollectionTemplate{{Name: "*", PartitionCount: 3}}})),
			want: []want{{Name: "Cart_singleton", PartitionCount: 1, ReplicaCount: 3, ShardType: "raft"}}, nodes: 3,
		},
		"beside functions there are as many copies as replicas": {
			change: changes(func(in *odgm.Input) { in.Mode = v1alpha1.ODGMSidecar }),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 1, ShardType: "basic"}}, nodes: 1,
		},
		"a step towards the size has fewer copies, kept as they will be": {
			change: changes(config(v1alpha1.ODGMConfig{ReplicaCount: 3}), func(in *odgm.Input) { in.Nodes = 1 }),
			want:   []want{{Name: "Cart_data", PartitionCount: 4, ReplicaCount: 1, ShardType: "raft"}}, nodes: 1,
		},
		"a class key that nodes cannot use is changed, with a hash": {
			change: changes(func(in *odgm.Input) { in.Record.Spec.DeploymentUnit.ClassKey = "a/b" }),
			want:   []want{{Name: "a-b-yfgn3qbt6z_data", PartitionCount: 4, ReplicaCount: 2, ShardType: "raft"}}, nodes: 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status := mustPlan(t, input(c.change...)).Status()
			if diff := cmp.Diff(c.want, status.Collections); diff != "" {
				t.Error(diff)
			}
			if status.Nodes != c.nodes {
				t.Errorf("%d nodes, want %d", status.Nodes, c.nodes)
			}
		})
	}
}

func TestAbsent(t *testing.T) {
	cases := map[string]struct {
		change func(*odgm.Input)
		want   odgm.Absence
	}{
		"a class with state has a grid":      {func(*odgm.Input) {}, odgm.Present},
		"without state there is none":        {func(in *odgm.Input) { in.Record.Spec.State = nil }, odgm.AbsentNoState},
		"nor where the template has none":    {func(in *odgm.Input) { in.Mode = v1alpha1.ODGMNone }, odgm.AbsentMode},
		"nor where the template is silent":   {func(in *odgm.Input) { in.Mode = "" }, odgm.AbsentMode},
		"nor without an image":               {func(in *odgm.Input) { in.Image = "" }, odgm.AbsentNotConfigured},
		"the environment's image is enough":  {func(in *odgm.Input) { in.Image, in.Environment.ODGM.Image = "", "odgm:2" }, odgm.Present},
		"nor beside functions without any":   {func(in *odgm.Input) { in.Mode, in.Functions = v1alpha1.ODGMSidecar, nil }, odgm.AbsentNoFunctions},
		"a cluster does not need a function": {func(in *odgm.Input) { in.Functions = nil }, odgm.Present},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(c.change)
			if got := odgm.Absent(in); got != c.want {
				t.Errorf("absence %q, want %q", got, c.want)
			}
			grid, err := odgm.Plan(in)
			if err != nil || (grid != nil) != (c.want == odgm.Present) {
				t.Errorf("grid %v, error %v", grid, err)
			}
			if (c.want == odgm.Present) != (c.want.Message() == "") {
				t.Errorf("message %q", c.want.Message())
			}
		})
	}
}

func TestImpossible(t *testing.T) {
	cases := map[string]struct {
		change func(*odgm.Input)
		want   string
	}{
		"a singleton with partitions": {
			func(in *odgm.Input) {
				in.Record.Spec.State.RequiresSingleton = true
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 2}
			}, "spec.odgmConfig.partitionCount: 2: the class keeps all objects in one partition",
		},
		"more partitions than an environment variable holds": {
			func(in *odgm.Input) { in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 65536} },
			"spec.odgmConfig.partitionCount: 65536: the places of all partitions do not fit",
		},
		"somewhat more": {
			func(in *odgm.Input) { in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 2000} },
			"spec.odgmConfig.partitionCount: 2000: the places of all partitions do not fit",
		},
		"so many copies that finding their places would take seconds": {
			func(in *odgm.Input) {
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 3000, ReplicaCount: 32}
				in.Record.Spec.ResourceAllocation.ReplicationFactor = 64
			}, "spec.odgmConfig.partitionCount: 3000: the places of all partitions do not fit",
		},
		"more nodes than an environment variable holds": {
			func(in *odgm.Input) {
				in.Mode = v1alpha1.ODGMSidecar
				for i := range 20 {
					in.Functions = append(in.Functions, odgm.Function{Key: strconv.Itoa(i), Port: 8080, Replicas: 1000})
				}
			}, "replicas of all functions: 20001: the ids of all nodes",
		},
		"a collection that is a key expression": {
			func(in *odgm.Input) {
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{Collections: []string{"a", "b/**"}}
			}, "spec.odgmConfig.collections[1]: b/**:",
		},
		"a function of another collection": {
			func(in *odgm.Input) {
				in.Record.Spec.FunctionContainers[0].ODGMIntegration = &v1alpha1.ODGMIntegration{Collections: []string{"orders"}}
			}, `spec.functionContainers[0].odgmIntegration.collections: orders: the class has no such collection: use some of ["Cart_data"]`,
		},
		"a trigger of a method that the function does not implement": {
			func(in *odgm.Input) {
				in.Record.Spec.Bindings = append(in.Record.Spec.Bindings, v1alpha1.MethodBinding{Name: "sum", FunctionKey: "sum"})
				in.Record.Spec.FunctionContainers[0].ODGMIntegration = &v1alpha1.ODGMIntegration{EventTriggers: []v1alpha1.EventTrigger{{Binding: "add"}, {Binding: "sum"}}}
			}, `spec.functionContainers[0].odgmIntegration.eventTriggers[1].binding: sum: the function implements no such method`,
		},
		"a trigger of a collection that the function does not use": {
			func(in *odgm.Input) {
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{Collections: []string{"a", "b"}}
				in.Record.Spec.FunctionContainers[0].ODGMIntegration = &v1alpha1.ODGMIntegration{
					Collections: []string{"b"}, EventTriggers: []v1alpha1.EventTrigger{{Binding: "add", Collections: []string{"a"}}},
				}
			}, `spec.functionContainers[0].odgmIntegration.eventTriggers[0].collections: a: the function uses no such collection: use some of ["b"]`,
		},
		"more triggers of all collections than a ConfigMap holds": {
			func(in *odgm.Input) {
				in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 1}
				for i := range 64 {
					in.Record.Spec.ODGMConfig.Collections = append(in.Record.Spec.ODGMConfig.Collections, fmt.Sprintf("%0200d", i))
				}
				in.Record.Spec.Bindings = nil
				for i := range 100 {
					in.Record.Spec.Bindings = append(in.Record.Spec.Bindings, v1alpha1.MethodBinding{Name: fmt.Sprint(i), FunctionKey: "elsewhere", TriggerOnStateChange: true})
				}
			}, "spec.bindings: 100 triggers: the lists of collections that they are for, 1382400 bytes",
		},
		"more replicas than ids": {
			func(in *odgm.Input) { in.Mode, in.Functions[0].Replicas = v1alpha1.ODGMSidecar, 1001 },
			`replicas of function "add": 1001:`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			grid, err := odgm.Plan(input(c.change))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || grid != nil {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestNextNodes(t *testing.T) {
	cases := map[string]struct {
		current, ready, target int32
		shard                  v1alpha1.ShardType
		want                   int32
	}{
		"a new grid starts at its size":              {0, 0, 5, "raft", 5},
		"a healthy grid grows by one":                {3, 3, 5, "raft", 4},
		"a grid with a node that fails stays":        {3, 2, 5, "raft", 3},
		"it does not shrink either":                  {5, 4, 3, "raft", 5},
		"a healthy grid shrinks by one":              {5, 5, 3, "raft", 4},
		"a grid at its size stays":                   {3, 3, 3, "raft", 3},
		"what does not agree grows at once":          {1, 0, 5, "basic", 5},
		"what does not agree shrinks at once":        {5, 1, 2, "mst", 2},
		"a node too many that serves is no obstacle": {3, 4, 4, "raft", 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := odgm.NextNodes(c.current, c.ready, c.target, c.shard); got != c.want {
				t.Errorf("%d nodes, want %d", got, c.want)
			}
		})
	}
}

// TestStepsToASize walks a grid from size to size, each step planned.
func TestStepsToASize(t *testing.T) {
	cases := map[string]struct {
		from, to int32
		want     []int32
	}{
		"a new grid":   {0, 5, []int32{5}},
		"it grows":     {3, 6, []int32{4, 5, 6}},
		"it shrinks":   {6, 3, []int32{5, 4, 3}},
		"it has grown": {3, 3, []int32{3}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var seen []int32
			for current := c.from; len(seen) < 8; {
				current = odgm.NextNodes(current, current, c.to, v1alpha1.ShardRaft)
				status := mustPlan(t, input(func(in *odgm.Input) {
					in.Nodes = current
					in.Record.Spec.ResourceAllocation.ReplicationFactor = c.to
				})).Status()
				if status.Nodes != current || (status.TargetNodes == nil) != (current == c.to) {
					t.Errorf("%d nodes are shown as %d on the way to %v", current, status.Nodes, status.TargetNodes)
				}
				seen = append(seen, current)
			}
			if got := slices.Compact(seen); !slices.Equal(got, c.want) {
				t.Errorf("it goes through %v, want %v", got, c.want)
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	in := input()
	for b.Loop() {
		grid, err := odgm.Plan(in)
		if err != nil {
			b.Fatal(err)
		}
		grid.Objects()
	}
}
