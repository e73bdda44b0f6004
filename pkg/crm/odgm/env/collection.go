// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/json"
)

// MaxReplicas is the greatest number of copies of a partition.
const MaxReplicas = 64

// maxPartitions is the greatest number of partitions of a collection.
const maxPartitions = 1 << 16

// Collection is an element of ODGM_COLLECTION.
type Collection struct {
	// Name of the collection, unique among the node's.
	Name string `json:"name"`
	// PartitionCount is the number of partitions.
	PartitionCount int32 `json:"partition_count"`
	// ReplicaCount is the number of copies of each.
	ReplicaCount int32 `json:"replica_count"`
	// ShardAssignments tell where the copies of each partition are.
	ShardAssignments []ShardAssignment `json:"shard_assignments"`
	// ShardType is raft, mst, basic or none.
	ShardType string `json:"shard_type"`
	// Options of the collection.
	Options map[string]string `json:"options"`
	// Invocations are the functions that the node can call.
	Invocations Invocations `json:"invocations"`
}

// ShardAssignment is the place of one partition.
type ShardAssignment struct {
	// Primary is the node that leads.
	Primary *uint64 `json:"primary"`
	// Replica are the nodes that hold a copy.
	Replica []uint64 `json:"replica"`
	// ShardIDs are the ids of the copies.
	ShardIDs []uint64 `json:"shard_ids"`
}

// Invocations are the functions that a node can call.
type Invocations struct {
	// Routes by the name of the binding.
	Routes map[string]Route `json:"fn_routes"`
	// Disabled are bindings that cannot be called.
	Disabled []string `json:"disabled_fn"`
}

// Route is where a function is called.
type Route struct {
	// URL of the function.
	URL string `json:"url"`
	// Stateless functions leave the object's state alone.
	Stateless bool `json:"stateless"`
	// Standby functions are called only when others fail.
	Standby bool `json:"standby"`
	// ActiveGroup are the nodes beside which the function runs; empty means all.
	ActiveGroup []uint64 `json:"active_group"`
}

// Collections reads the value of ODGM_COLLECTION for a grid of the given members.
// A field that is not known or there twice, a number in quotes and anything after
// the array are refused, and so is an assignment that breaks a rule.
func Collections(text string, members []uint64) ([]Collection, error) {
	var collections []Collection
	// Names of fields count exactly as they are written, as in the real program.
	strict, err := json.UnmarshalStrict([]byte(text), &collections)
	if err = errors.Join(append(strict, err)...); err != nil {
		return nil, fmt.Errorf("not a JSON array of collections: %w", err)
	}
	names, shards := map[string]bool{}, map[uint64]bool{}
	for i := range collections {
		c := &collections[i]
		if c.Name == "" {
			return nil, fmt.Errorf("collection %d has no name", i)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("collection %q is there twice", c.Name)
		}
		names[c.Name] = true
		if err := c.check(members, shards); err != nil {
			return nil, fmt.Errorf("collection %q: %w", c.Name, err)
		}
	}
	return collections, nil
}

// check holds the collection against the rules. Shards are the ids seen so far.
func (c *Collection) check(members []uint64, shards map[uint64]bool) error {
	switch {
	case c.PartitionCount < 1 || c.PartitionCount > maxPartitions:
		return fmt.Errorf("partition_count is %d: it is from 1 to %d", c.PartitionCount, maxPartitions)
	case c.ReplicaCount < 1 || c.ReplicaCount > MaxReplicas:
		return fmt.Errorf("replica_count is %d: it is from 1 to %d", c.ReplicaCount, MaxReplicas)
	case !slices.Contains([]string{"raft", "mst", "basic", "none"}, c.ShardType):
		return fmt.Errorf("shard_type is %q: it is raft, mst, basic or none", c.ShardType)
	case len(c.ShardAssignments) != int(c.PartitionCount):
		return fmt.Errorf("shard_assignments has %d elements for %d partitions: each partition has one", len(c.ShardAssignments), c.PartitionCount)
	}
	for name, route := range c.Invocations.Routes {
		if route.URL == "" {
			return fmt.Errorf("fn_routes: %q has no url", name)
		}
	}
	for partition := range c.ShardAssignments {
		if err := c.ShardAssignments[partition].check(int(c.ReplicaCount), members, shards); err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
	}
	return nil
}

func (a *ShardAssignment) check(replicas int, members []uint64, shards map[uint64]bool) error {
	switch {
	case len(a.Replica) != replicas:
		return fmt.Errorf("replica has %d nodes: replica_count is %d", len(a.Replica), replicas)
	case len(a.ShardIDs) != replicas:
		return fmt.Errorf("shard_ids has %d ids: replica_count is %d", len(a.ShardIDs), replicas)
	case a.Primary == nil || !slices.Contains(a.Replica, *a.Primary):
		return errors.New("primary is not among replica")
	}
	for i, node := range a.Replica {
		if !slices.Contains(members, node) {
			return fmt.Errorf("replica %d is not among the members", node)
		}
		if slices.Contains(a.Replica[:i], node) {
			return fmt.Errorf("replica %d is there twice", node)
		}
	}
	for _, shard := range a.ShardIDs {
		if shards[shard] {
			return fmt.Errorf("shard %d is there twice", shard)
		}
		shards[shard] = true
	}
	return nil
}
