// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"cmp"
	"fmt"
	"slices"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm/env"
	"oaas.io/oaas/pkg/crm/render/names"
)

const (
	// firstID is the least id of a node: 0 is what a reader takes a missing id for.
	firstID = 1
	// idsPerFunction is the number of ids that the replicas of one function share, in
	// mode Sidecar.
	idsPerFunction = 1_000
	// functionSlots is the number of such ranges. The greatest ordinal fits the 11
	// characters that names leave for it.
	functionSlots = 1_000_000
)

func plan(in Input) (*Grid, error) {
	wantedHere, err := wantedCollections(in)
	if err != nil {
		return nil, err
	}
	if err := checkIntegrations(in, wantedHere); err != nil {
		return nil, err
	}
	g := &Grid{
		Mode:      in.Mode,
		Image:     imageOf(in),
		ClusterID: in.Record.Name + "-" + in.Record.Spec.TargetEnvironment,
		Name:      names.Grid(in.Record.Name, suffixGrid),
		in:        in,
		ports:     portsOf(in),
		events:    eventsOf(in),
	}
	g.Port = g.ports.grpc
	g.Endpoint = fmt.Sprintf("http://%s.%s.svc:%d", g.Name, in.Record.Namespace, servicePort)
	joining, err := g.place(wantedHere)
	if err != nil {
		return nil, err
	}
	g.Members = slices.Sorted(slices.Values(joining))
	if g.members = g.membersList(); len(g.members) > maxVariable {
		return nil, &InvalidError{
			Field: "replicas of all functions", Value: g.Nodes,
			Reason: fmt.Sprintf("the ids of all nodes beside them do not fit the %d bytes that Linux gives one environment variable: ask for fewer replicas, or choose a template whose odgm.mode is Cluster", maxVariable),
		}
	}
	if err := g.fill(wantedHere, joining); err != nil {
		return nil, err
	}
	if size := g.triggersSize(); size > maxTriggers {
		return nil, &InvalidError{
			Field: "spec.bindings", Value: fmt.Sprintf("%d triggers", len(g.events.triggers)),
			Reason: fmt.Sprintf("the lists of collections that they are for, %d bytes, do not fit the data grid's ConfigMap: "+
				"use fewer collections or shorter names, or name those of each function in odgmIntegration.collections", size),
		}
	}
	return g, nil
}

// place decides about the nodes, and returns their ids in the order in which nodes
// join when the grid grows.
func (g *Grid) place(collections []wantedCollection) ([]uint64, error) {
	if g.Mode == v1alpha1.ODGMSidecar {
		return g.placeBeside()
	}
	// As many nodes as the most copied partition has copies, and as the availability
	// asks for.
	g.Target = max(g.in.Record.Spec.ResourceAllocation.ReplicationFactor, 1)
	if bound := g.in.Environment.ODGM.MaxReplicaCount; bound > 0 {
		g.Target = min(g.Target, bound)
	}
	g.Target = min(g.Target, env.MaxReplicas)
	for _, c := range collections {
		g.Target = max(g.Target, c.copies)
	}
	g.Nodes = cmp.Or(max(g.in.Nodes, 0), g.Target)
	ids := make([]uint64, 0, g.Nodes)
	for i := range g.Nodes {
		ids = append(ids, uint64(firstID+i)) //nolint:gosec // never negative
	}
	return ids, nil
}

// placeBeside puts a node beside each replica of each function. A function's range
// of ids follows from its key alone, so that functions that come and go leave the
// others' nodes, and what they store, where they are.
func (g *Grid) placeBeside() ([]uint64, error) {
	functions := slices.SortedFunc(slices.Values(g.in.Functions), func(a, b Function) int { return cmp.Compare(a.Key, b.Key) })
	keys := make([]string, 0, len(functions))
	most := int32(0)
	for _, f := range functions {
		if f.Replicas > idsPerFunction {
			return nil, &InvalidError{
				Field: fmt.Sprintf("replicas of function %q", f.Key), Value: f.Replicas,
				Reason: fmt.Sprintf("a data grid beside functions has at most %d nodes for each: ask for fewer replicas, or choose a template whose odgm.mode is Cluster", idsPerFunction),
			}
		}
		keys = append(keys, f.Key)
		most = max(most, f.Replicas)
		g.Nodes += f.Replicas
	}
	g.Target = g.Nodes
	g.ranges = make(map[string]int32, len(keys))
	for key, slot := range slots(keys, functionSlots) {
		g.ranges[key] = int32(slot)*idsPerFunction + firstID //nolint:gosec // below 10^9
	}
	if g.Nodes == 0 {
		// Every function is stopped. The pods that could start one day still need an
		// environment that can be read.
		return []uint64{uint64(g.ranges[keys[0]])}, nil //nolint:gosec // never negative
	}
	ids := make([]uint64, 0, g.Nodes)
	for i := range most {
		for _, f := range functions {
			if i < f.Replicas {
				ids = append(ids, uint64(g.ranges[f.Key]+i)) //nolint:gosec // never negative
			}
		}
	}
	return ids, nil
}

// fill gives every partition its nodes.
func (g *Grid) fill(collections []wantedCollection, joining []uint64) error {
	names := make([]string, 0, len(collections))
	for _, c := range collections {
		names = append(names, c.name)
	}
	numbers := slots(names, collectionSlots)
	final := max(int(g.Target), 1)
	if leastSize(collections, len(joining)) > maxVariable {
		return g.tooLarge(collections)
	}
	for _, c := range collections {
		copies := min(int(c.copies), len(joining))
		// How copies are kept must not change with each step of a grid that grows, so
		// their number at its end decides.
		shard := cmp.Or(c.shard, shardOf(g.in, int32(min(int(c.copies), final)))) //nolint:gosec // at most 64
		g.Collections = append(g.Collections, Collection{
			Name:       c.name,
			ShardType:  shard,
			Replicas:   int32(copies), //nolint:gosec // at most 64
			Options:    c.options,
			Partitions: assign(joining, int(c.partitions), copies, uint64(numbers[c.name])+1),
		})
	}
	if g.collections = g.collectionsJSON(); len(g.collections) > maxVariable {
		return g.tooLarge(collections)
	}
	return nil
}

// leastSize is less than what the places of all partitions take as text, so that
// nobody is given places by the million before they turn out not to fit.
func leastSize(collections []wantedCollection, members int) int {
	const (
		partition = len(`{"primary":1,"replica":[],"shard_ids":[]},`)
		// An id of a shard has 10 digits and more.
		each = len("1,") + len("4294967296,")
	)
	size := 0
	for _, c := range collections {
		size += int(c.partitions) * (partition + each*min(int(c.copies), members) - len(",,"))
	}
	return size
}

func (g *Grid) tooLarge(collections []wantedCollection) error {
	var partitions int32
	for _, c := range collections {
		partitions += c.partitions
	}
	return &InvalidError{
		Field: "spec.odgmConfig.partitionCount", Value: partitions,
		Reason: fmt.Sprintf("the places of all partitions do not fit the %d bytes that Linux gives one environment variable, beside %d bindings: "+
			"ask for fewer partitions, copies or collections", maxVariable, len(g.in.Record.Spec.Bindings)),
	}
}

// checkIntegrations refuses a function that uses a collection, or triggers a method,
// which is not there.
func checkIntegrations(in Input, collections []wantedCollection) error {
	names := make([]string, 0, len(collections))
	for _, c := range collections {
		names = append(names, c.name)
	}
	for i := range in.Record.Spec.FunctionContainers {
		container := &in.Record.Spec.FunctionContainers[i]
		if container.ODGMIntegration == nil {
			continue
		}
		path, used := fmt.Sprintf("spec.functionContainers[%d].odgmIntegration", i), container.ODGMIntegration.Collections
		if err := checkCollections(path, used, names, "the class has no such collection"); err != nil {
			return err
		}
		if len(used) == 0 {
			used = names
		}
		for j, t := range container.ODGMIntegration.EventTriggers {
			at := fmt.Sprintf("%s.eventTriggers[%d]", path, j)
			if !slices.ContainsFunc(in.Record.Spec.Bindings, func(b v1alpha1.MethodBinding) bool {
				return b.Name == t.Binding && b.FunctionKey == container.FunctionKey
			}) {
				return &InvalidError{Field: at + ".binding", Value: t.Binding, Reason: "the function implements no such method: use the name of one of its bindings"}
			}
			if err := checkCollections(at, t.Collections, used, "the function uses no such collection"); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkCollections(path string, asked, known []string, reason string) error {
	for _, name := range asked {
		if !slices.Contains(known, name) {
			return &InvalidError{Field: path + ".collections", Value: name, Reason: fmt.Sprintf("%s: use some of %q", reason, known)}
		}
	}
	return nil
}
