// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"cmp"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// settingsKey is the key of the settings in the ConfigMap, and their file's name.
// JSON is read by everything that reads YAML, and takes a tenth of the time to write,
// which every pass of the reconciler does.
const settingsKey = "odgm.json"

const (
	// maxTriggers bounds the lists of collections in the settings of triggers, in bytes:
	// a ConfigMap holds 1 MiB.
	maxTriggers = 512 << 10
	// perName is what a line takes beside the name in it.
	perName = 16
)

// Settings of a grid that go beyond the environment of its nodes.
type (
	settings struct {
		ClusterID        string               `json:"clusterID"`
		NodeRole         string               `json:"nodeRole"`
		Members          []uint64             `json:"members"`
		ConsistencyModel string               `json:"consistencyModel"`
		Collections      []collectionSettings `json:"collections"`
		Events           eventSettings        `json:"events"`
	}
	collectionSettings struct {
		Name            string             `json:"name"`
		PartitionCount  int                `json:"partitionCount"`
		ReplicaCount    int32              `json:"replicaCount"`
		ShardType       v1alpha1.ShardType `json:"shardType"`
		PersistenceMode string             `json:"persistenceMode"`
		AccessPatterns  []string           `json:"accessPatterns"`
	}
	eventSettings struct {
		Enabled          bool              `json:"enabled"`
		MaxTriggerDepth  int64             `json:"maxTriggerDepth"`
		TriggerTimeoutMs int64             `json:"triggerTimeoutMs"`
		Triggers         []triggerSettings `json:"triggers"`
		Batch            batchSettings     `json:"batch"`
	}
	triggerSettings struct {
		Binding     string   `json:"binding"`
		FunctionKey string   `json:"functionKey"`
		TriggerType string   `json:"triggerType"`
		Collections []string `json:"collections"`
		Async       bool     `json:"async"`
	}
	batchSettings struct {
		Enabled   bool `json:"enabled"`
		Size      int  `json:"size"`
		TimeoutMs int  `json:"timeoutMs"`
	}
)

// configMap has the settings for people, for functions that mount it, and for nodes
// that read more than their environment.
func (g *Grid) configMap() *corev1.ConfigMap {
	// Strings, numbers and lists of them: there is nothing that could not be encoded.
	encoded, _ := json.MarshalIndent(g.settings(), "", "  ") //nolint:errchkjson // see above
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: g.meta(g.ConfigMapName()),
		Data:       map[string]string{settingsKey: string(encoded)},
	}
}

func (g *Grid) settings() settings {
	state := g.in.Record.Spec.State
	s := settings{
		ClusterID:        g.ClusterID,
		NodeRole:         "server",
		Members:          g.Members,
		ConsistencyModel: string(cmp.Or(state.ConsistencyModel, v1alpha1.ConsistencyNone)),
		Events: eventSettings{
			Enabled:          len(g.events.triggers) > 0,
			MaxTriggerDepth:  g.events.depth,
			TriggerTimeoutMs: g.events.timeoutMs,
			Triggers:         []triggerSettings{},
			Batch:            batchSettings{Enabled: true, Size: batchSize, TimeoutMs: batchTimeoutMs},
		},
	}
	persistence, patterns := "Ephemeral", []string{"ReadWrite"}
	if state.Persistent {
		persistence = "Persistent"
	}
	if state.SupportsBatchOperations {
		patterns = append(patterns, "BatchRead")
	}
	for _, c := range g.Collections {
		s.Collections = append(s.Collections, collectionSettings{
			Name:            c.Name,
			PartitionCount:  len(c.Partitions),
			ReplicaCount:    c.Replicas,
			ShardType:       c.ShardType,
			PersistenceMode: persistence,
			AccessPatterns:  patterns,
		})
	}
	for _, t := range g.events.triggers {
		s.Events.Triggers = append(s.Events.Triggers, triggerSettings{
			Binding: t.binding, FunctionKey: t.function, TriggerType: "StateChange", Collections: g.collectionsOf(t), Async: t.async,
		})
	}
	return s
}

// collectionsOf are the collections that a trigger is for.
func (g *Grid) collectionsOf(t trigger) []string {
	if len(t.collections) > 0 {
		return t.collections
	}
	return g.integration(t.function).Collections
}

// triggersSize is what the lists of all triggers' collections take in the settings.
func (g *Grid) triggersSize() int {
	size := 0
	for _, t := range g.events.triggers {
		for _, name := range g.collectionsOf(t) {
			size += len(name) + perName
		}
	}
	return size
}
