// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package env_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oaas.io/oaas/pkg/crm/odgm/env"
)

// assigned is a collection of one partition with the assignment given.
func assigned(assignment string) string {
	return `[{"name":"a","partition_count":1,"replica_count":2,"shard_type":"raft","shard_assignments":[` + assignment + `]}]`
}

func variables(change map[string]string) func(string) string {
	all := map[string]string{
		"ODGM_NODE_ID":    "1",
		"ODGM_MEMBERS":    "1,18446744073709551615",
		"ODGM_COLLECTION": assigned(`{"primary":1,"replica":[1,18446744073709551615],"shard_ids":[7,8]}`),
	}
	maps.Copy(all, change)
	return func(name string) string { return all[name] }
}

func TestRead(t *testing.T) {
	got, err := env.Read(variables(map[string]string{
		"ODGM_NODE_ADDR":   "http://10.0.0.1:8080",
		"OPRC_ZENOH_PEERS": "tcp/grid:7447,quic/[fd00::1]:1",
		"RUST_LOG":         "info",
	}))
	if err != nil {
		t.Fatal(err)
	}
	const last = 18446744073709551615
	want := &env.Config{
		NodeID: 1, NodeAddr: "http://10.0.0.1:8080", HTTPPort: 8080, Members: []uint64{1, last},
		MaxSessions: 3, Events: true, MaxTriggerDepth: 10, TriggerTimeout: 30 * time.Second,
		ZenohPort: 7447, ZenohMode: "peer", ZenohPeers: []string{"tcp/grid:7447", "quic/[fd00::1]:1"}, Log: "info",
		Collections: []env.Collection{{
			Name: "a", PartitionCount: 1, ReplicaCount: 2, ShardType: "raft",
			ShardAssignments: []env.ShardAssignment{{Primary: new(uint64(1)), Replica: []uint64{1, last}, ShardIDs: []uint64{7, 8}}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadRefuses(t *testing.T) {
	cases := map[string]struct {
		name, value string
		want        string
	}{
		"an empty id":                       {"ODGM_NODE_ID", "", `ODGM_NODE_ID is ""`},
		"an id that is a name":              {"ODGM_NODE_ID", "grid-0", `ODGM_NODE_ID is "grid-0"`},
		"an id of more than 64 bits":        {"ODGM_NODE_ID", "18446744073709551616", "ODGM_NODE_ID"},
		"a negative id":                     {"ODGM_NODE_ID", "-1", "ODGM_NODE_ID"},
		"an id that is no member":           {"ODGM_NODE_ID", "2", "not among ODGM_MEMBERS"},
		"no members":                        {"ODGM_MEMBERS", "", "ODGM_MEMBERS"},
		"members with a space":              {"ODGM_MEMBERS", "1, 2", "ODGM_MEMBERS"},
		"members that are names":            {"ODGM_MEMBERS", "grid-0,grid-1", "ODGM_MEMBERS"},
		"members with a comma at the end":   {"ODGM_MEMBERS", "1,2,", "ODGM_MEMBERS"},
		"a member twice":                    {"ODGM_MEMBERS", "1,1", "1 is there twice"},
		"a port of more than 16 bits":       {"ODGM_HTTP_PORT", "65536", "ODGM_HTTP_PORT"},
		"a switch that is no word":          {"ODGM_EVENTS_ENABLED", "1", "ODGM_EVENTS_ENABLED"},
		"an address without a scheme":       {"ODGM_NODE_ADDR", "10.0.0.1:8080", "ODGM_NODE_ADDR"},
		"an address whose pod had no IP":    {"ODGM_NODE_ADDR", "http://:8080", "ODGM_NODE_ADDR"},
		"a mode that is not known":          {"OPRC_ZENOH_MODE", "mesh", "OPRC_ZENOH_MODE"},
		"a peer without a protocol":         {"OPRC_ZENOH_PEERS", "grid:7447", "OPRC_ZENOH_PEERS"},
		"a peer without a port":             {"OPRC_ZENOH_PEERS", "tcp/grid", "OPRC_ZENOH_PEERS"},
		"collections that are no array":     {"ODGM_COLLECTION", `{}`, "ODGM_COLLECTION"},
		"something behind the collections":  {"ODGM_COLLECTION", `[] []`, "ODGM_COLLECTION"},
		"names of fields in another case":   {"ODGM_COLLECTION", `[{"Name":"a"}]`, `unknown field`},
		"names of fields in camel case":     {"ODGM_COLLECTION", `[{"name":"a","partitionCount":1}]`, "unknown field"},
		"numbers in quotes":                 {"ODGM_COLLECTION", `[{"name":"a","partition_count":"1"}]`, "cannot unmarshal"},
		"ids in quotes":                     {"ODGM_COLLECTION", assigned(`{"primary":"1","replica":[1,2],"shard_ids":[7,8]}`), "cannot unmarshal"},
		"a field twice":                     {"ODGM_COLLECTION", `[{"name":"a","name":"b"}]`, "duplicate field"},
		"a collection without a name":       {"ODGM_COLLECTION", `[{"partition_count":1}]`, "has no name"},
		"no partition":                      {"ODGM_COLLECTION", `[{"name":"a","replica_count":1}]`, "partition_count is 0"},
		"no copy":                           {"ODGM_COLLECTION", `[{"name":"a","partition_count":1}]`, "replica_count is 0"},
		"a shard type that is not known":    {"ODGM_COLLECTION", `[{"name":"a","partition_count":1,"replica_count":1,"shard_type":"Raft"}]`, "shard_type"},
		"fewer assignments than partitions": {"ODGM_COLLECTION", assigned(""), "shard_assignments has 0 elements for 1 partitions"},
		"fewer replicas than copies":        {"ODGM_COLLECTION", assigned(`{"primary":1,"replica":[1],"shard_ids":[7,8]}`), "replica has 1 nodes"},
		"fewer shards than copies":          {"ODGM_COLLECTION", assigned(`{"primary":1,"replica":[1,18446744073709551615],"shard_ids":[7]}`), "shard_ids has 1 ids"},
		"a shard twice":                     {"ODGM_COLLECTION", assigned(`{"primary":1,"replica":[1,18446744073709551615],"shard_ids":[7,7]}`), "shard 7 is there twice"},
		"a replica twice":                   {"ODGM_COLLECTION", assigned(`{"primary":1,"replica":[1,1],"shard_ids":[7,8]}`), "replica 1 is there twice"},
		"a primary that is no replica":      {"ODGM_COLLECTION", assigned(`{"primary":2,"replica":[1,18446744073709551615],"shard_ids":[7,8]}`), "primary is not among replica"},
		"no primary":                        {"ODGM_COLLECTION", assigned(`{"replica":[1,18446744073709551615],"shard_ids":[7,8]}`), "primary is not among replica"},
		"a replica that is no member":       {"ODGM_COLLECTION", assigned(`{"primary":1,"replica":[1,2],"shard_ids":[7,8]}`), "replica 2 is not among the members"},
		"a route without a URL": {"ODGM_COLLECTION", `[{"name":"a","partition_count":1,"replica_count":1,"shard_type":"raft",
			"shard_assignments":[{"primary":1,"replica":[1],"shard_ids":[7]}],"invocations":{"fn_routes":{"f":{}}}}]`, `"f" has no url`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config, err := env.Read(variables(map[string]string{c.name: c.value}))
			if err == nil {
				t.Fatalf("accepted as %+v", config)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
				t.Errorf("error %q does not say %q of %s", err, c.want, c.name)
			}
		})
	}
}

// FuzzRead reads any environment: it never panics, and a node that starts knows
// itself.
func FuzzRead(f *testing.F) {
	f.Add("1", "1,2", "8080", "http://10.0.0.1:8080", "tcp/grid:7447", "5000")
	f.Add("18446744073709551615", "18446744073709551615", "0", "", "", "")
	f.Add("+1", "1,", "-1", "http://[fd00::1]:8080", "tcp/[::]:0,udp/a:1", "4398046511103")
	f.Fuzz(func(t *testing.T, id, members, port, address, peers, timeout string) {
		config, err := env.Read(variables(map[string]string{
			"ODGM_NODE_ID": id, "ODGM_MEMBERS": members, "ODGM_HTTP_PORT": port, "ODGM_NODE_ADDR": address,
			"OPRC_ZENOH_PEERS": peers, "ODGM_TRIGGER_TIMEOUT_MS": timeout, "ODGM_COLLECTION": "",
		}))
		if err != nil {
			return
		}
		if !slices.Contains(config.Members, config.NodeID) || config.TriggerTimeout < 0 {
			t.Fatalf("accepted %+v", config)
		}
		// A plus or a space comes from something that is not a plain number.
		if strings.ContainsAny(id+members+port+timeout, "+- _") {
			t.Fatalf("accepted a sign or a space in %q %q %q %q", id, members, port, timeout)
		}
	})
}

// FuzzCollections reads any text: it never panics, and what it accepts keeps the
// rules.
func FuzzCollections(f *testing.F) {
	f.Add(assigned(`{"primary":1,"replica":[1,2],"shard_ids":[7,8]}`))
	f.Add(assigned(`{"primary":3,"replica":[3,1],"shard_ids":[18446744073709551615,0]}`))
	f.Add(`[]`)
	members := []uint64{1, 2, 3}
	f.Fuzz(func(t *testing.T, text string) {
		collections, err := env.Collections(text, members)
		if err != nil {
			return
		}
		shards := map[uint64]bool{}
		for _, c := range collections {
			if c.Name == "" || len(c.ShardAssignments) != int(c.PartitionCount) || c.ReplicaCount < 1 {
				t.Fatalf("accepted %+v", c)
			}
			for _, a := range c.ShardAssignments {
				led := false
				for i, node := range a.Replica {
					led = led || node == *a.Primary
					if node < 1 || node > 3 || shards[a.ShardIDs[i]] {
						t.Fatalf("accepted %+v", a)
					}
					shards[a.ShardIDs[i]] = true
				}
				if !led || len(a.Replica) != int(c.ReplicaCount) || len(a.ShardIDs) != int(c.ReplicaCount) {
					t.Fatalf("accepted %+v", a)
				}
			}
		}
	})
}
