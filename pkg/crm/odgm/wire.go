// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"encoding/json"
	"slices"
)

// The value of ODGM_COLLECTION: snake_case, and 64-bit numbers as JSON numbers. The
// JSON form of Protocol Buffers writes neither, so these are types of our own.
type (
	wireCollection struct {
		Name             string            `json:"name"`
		PartitionCount   int               `json:"partition_count"`
		ReplicaCount     int32             `json:"replica_count"`
		ShardAssignments []wireAssignment  `json:"shard_assignments"`
		ShardType        string            `json:"shard_type"`
		Options          map[string]string `json:"options"`
		Invocations      invocations       `json:"invocations"`
	}
	wireAssignment struct {
		Primary  uint64   `json:"primary"`
		Replica  []uint64 `json:"replica"`
		ShardIDs []uint64 `json:"shard_ids"`
	}
	invocations struct {
		Routes   map[string]route `json:"fn_routes"`
		Disabled []string         `json:"disabled_fn"`
	}
	route struct {
		URL         string   `json:"url"`
		Stateless   bool     `json:"stateless"`
		Standby     bool     `json:"standby"`
		ActiveGroup []uint64 `json:"active_group"`
	}
)

// collectionsJSON is the value of ODGM_COLLECTION.
func (g *Grid) collectionsJSON() string {
	found, disabled := routes(g.in)
	slices.Sort(disabled)
	wire := make([]wireCollection, 0, len(g.Collections))
	for _, c := range g.Collections {
		w := wireCollection{
			Name:             c.Name,
			PartitionCount:   len(c.Partitions),
			ReplicaCount:     c.Replicas,
			ShardAssignments: make([]wireAssignment, 0, len(c.Partitions)),
			ShardType:        string(c.ShardType),
			Options:          c.Options,
			Invocations:      invocations{Routes: found, Disabled: disabled},
		}
		if w.Options == nil {
			w.Options = map[string]string{}
		}
		for _, a := range c.Partitions {
			w.ShardAssignments = append(w.ShardAssignments, wireAssignment{Primary: a.Primary, Replica: a.Replicas, ShardIDs: a.Shards})
		}
		wire = append(wire, w)
	}
	// Strings, numbers and maps of them: there is nothing that could not be encoded.
	encoded, _ := json.Marshal(wire) //nolint:errchkjson // see above
	return string(encoded)
}
