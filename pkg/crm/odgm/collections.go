// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

const (
	// lowLatencyMs is the latency bound, in milliseconds, below which copies do not
	// agree on every write: a round of agreement alone would take the time.
	lowLatencyMs = 50
	// unknownPartitions is the number of partitions where no throughput is asked for.
	unknownPartitions = 4
	// batchPartitions is the least number of partitions of a collection that is read
	// in batches.
	batchPartitions = 4
)

// anyCollection is the name of a collection template that stands for all that have
// none of their own.
const anyCollection = "*"

// partitionSteps are the partitions by throughput, in requests per second, where
// the environment has no steps of its own.
var partitionSteps = []v1alpha1.PartitionStep{
	{MaxThroughputRPS: 1_000, Partitions: 1},
	{MaxThroughputRPS: 5_000, Partitions: 4},
	{MaxThroughputRPS: 20_000, Partitions: 8},
	{MaxThroughputRPS: 0, Partitions: 16},
}

// wantedCollection is a collection before its partitions have a place.
type wantedCollection struct {
	name       string
	partitions int32
	copies     int32
	shard      v1alpha1.ShardType
	options    map[string]string
}

// shape is what the state of a class asks of its collections.
type shape struct {
	suffix     string
	partitions int32
	copies     int32
}

func shapeOf(in Input) shape {
	state, partitions := in.Record.Spec.State, partitionsFor(in)
	switch {
	case state.RequiresSingleton:
		return shape{suffix: "_singleton", partitions: 1, copies: 3}
	case state.SupportsBatchOperations:
		return shape{suffix: "_collection", partitions: max(partitions, batchPartitions), copies: 3}
	default:
		return shape{suffix: "_data", partitions: partitions, copies: 2}
	}
}

// partitionsFor is the number of partitions that the throughput asks for.
func partitionsFor(in Input) int32 {
	rate := in.Record.Spec.NFRRequirements.MinThroughputRPS
	if rate == nil {
		return unknownPartitions
	}
	steps := in.Environment.ODGM.PartitionStrategy
	if len(steps) == 0 {
		steps = partitionSteps
	}
	// The smallest step that reaches the rate; 0 reaches every rate. A rate beyond all
	// steps gets the greatest of them.
	var best, last *v1alpha1.PartitionStep
	for i := range steps {
		step := &steps[i]
		if last == nil || less(*last, *step) {
			last = step
		}
		if step.MaxThroughputRPS != 0 && step.MaxThroughputRPS < *rate {
			continue
		}
		if best == nil || less(*step, *best) {
			best = step
		}
	}
	if best == nil {
		best = last
	}
	return best.Partitions
}

// less orders steps by throughput, the one for all greater ones last.
func less(a, b v1alpha1.PartitionStep) bool {
	if a.MaxThroughputRPS == 0 || b.MaxThroughputRPS == 0 {
		return a.MaxThroughputRPS != 0
	}
	return a.MaxThroughputRPS < b.MaxThroughputRPS
}

// wantedCollections are the collections of the class. What the record says wins
// over the environment, and that over what follows from the state.
func wantedCollections(in Input) ([]wantedCollection, error) {
	config := ptr.Deref(in.Record.Spec.ODGMConfig, v1alpha1.ODGMConfig{})
	if in.Record.Spec.State.RequiresSingleton && config.PartitionCount > 1 {
		return nil, &InvalidError{
			Field: "spec.odgmConfig.partitionCount", Value: config.PartitionCount,
			Reason: "the class keeps all objects in one partition: remove the field, or state.requiresSingleton of the class",
		}
	}
	derived := shapeOf(in)
	names := slices.Clone(config.Collections)
	if len(names) == 0 {
		names = []string{collectionName(in.Record.Spec.DeploymentUnit.ClassKey) + derived.suffix}
	}
	collections := make([]wantedCollection, 0, len(names))
	for i, name := range names {
		if reason := badCollectionName(name); reason != "" {
			return nil, &InvalidError{Field: fmt.Sprintf("spec.odgmConfig.collections[%d]", i), Value: name, Reason: reason}
		}
		collections = append(collections, wanted(in, config, derived, name))
	}
	slices.SortFunc(collections, func(a, b wantedCollection) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return collections, nil
}

func wanted(in Input, config v1alpha1.ODGMConfig, derived shape, name string) wantedCollection {
	template := templateOf(in.Environment.ODGM.Collections, name)
	c := wantedCollection{name: name, partitions: derived.partitions, copies: derived.copies}
	for _, count := range []int32{template.PartitionCount, config.PartitionCount} {
		// A singleton has one partition, whatever an environment says about all.
		if count > 0 && !in.Record.Spec.State.RequiresSingleton {
			c.partitions = count
		}
	}
	for _, count := range []int32{template.ReplicaCount, config.ReplicaCount} {
		if count > 0 {
			c.copies = count
		}
	}
	if bound := in.Environment.ODGM.MaxReplicaCount; bound > 0 {
		c.copies = min(c.copies, bound)
	}
	for _, shard := range []v1alpha1.ShardType{template.ShardType, config.ShardType} {
		if shard != "" {
			c.shard = shard
		}
	}
	if c.shard == v1alpha1.ShardNone {
		c.copies = 1
	}
	if len(template.Options)+len(config.Options) > 0 {
		c.options = map[string]string{}
		maps.Copy(c.options, template.Options)
		maps.Copy(c.options, config.Options)
	}
	return c
}

// templateOf is what the environment says about a collection: what is there under
// its name, completed by what is there for all.
func templateOf(templates []v1alpha1.CollectionTemplate, name string) v1alpha1.CollectionTemplate {
	var merged v1alpha1.CollectionTemplate
	for _, wanted := range []string{anyCollection, name} {
		for i := range templates {
			if templates[i].Name != wanted {
				continue
			}
			t := &templates[i]
			if t.PartitionCount > 0 {
				merged.PartitionCount = t.PartitionCount
			}
			if t.ReplicaCount > 0 {
				merged.ReplicaCount = t.ReplicaCount
			}
			if t.ShardType != "" {
				merged.ShardType = t.ShardType
			}
			if len(t.Options) > 0 && merged.Options == nil {
				merged.Options = map[string]string{}
			}
			maps.Copy(merged.Options, t.Options)
		}
	}
	return merged
}

// shardOf is how copies are kept where nobody says: one copy has nobody to agree
// with; more agree, unless the latency bound leaves no time and the class was not
// promised that everybody reads the newest.
func shardOf(in Input, copies int32) v1alpha1.ShardType {
	latency := in.Record.Spec.NFRRequirements.MaxLatencyMs
	strong := in.Record.Spec.State.ConsistencyModel == v1alpha1.ConsistencyStrong
	switch {
	case copies <= 1:
		return v1alpha1.ShardBasic
	case latency != nil && *latency < lowLatencyMs && !strong:
		return v1alpha1.ShardBasic
	default:
		return v1alpha1.ShardRaft
	}
}

// reserved matches what has a meaning in the key expressions that nodes make from
// the name of a collection, and what nobody can see.
var reserved = regexp.MustCompile(`[*$?#/\s\pC]`)

// badCollectionName tells why nodes could not use a name; empty when they can.
func badCollectionName(name string) string {
	switch {
	case name == "":
		return "a collection needs a name"
	case !utf8.ValidString(name):
		return "a collection's name is valid UTF-8"
	case reserved.MatchString(name):
		return "a collection's name has no *, $, ?, #, / or space: nodes use it in key expressions"
	default:
		return ""
	}
}

// collectionName is the class key as far as it can be part of a collection's name.
// A key that is changed carries a hash of the whole, so that two classes never
// share a collection.
func collectionName(classKey string) string {
	if classKey != "" && badCollectionName(classKey) == "" {
		return classKey
	}
	return reserved.ReplaceAllString(string([]rune(classKey)), "-") + "-" + names.Hash(classKey)
}
