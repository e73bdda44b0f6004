// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rollout decides how a changed template reaches the records that use it:
// some at a time, the next when these are well, and no further once one of them
// has degraded. It decides and does nothing else.
package rollout

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Reasons of the condition v1alpha1.TemplateRolledOut.
const (
	// ReasonComplete: every record has the newest revision.
	ReasonComplete = "Complete"
	// ReasonInProgress: some records wait for their turn or are on their way.
	ReasonInProgress = "InProgress"
	// ReasonStopped: records degraded with the newest revision, so that no other
	// takes it.
	ReasonStopped = "Stopped"
)

// shown is the number of records that a message names.
const shown = 3

// Record is a record that uses a template.
type Record struct {
	// Key is the record as namespace/name.
	Key string
	// Hash is the revision that its children were rendered from.
	Hash string
	// Healthy records are available and not degraded, and have nothing left to do.
	Healthy bool
	// Degraded records have something that fails.
	Degraded bool
}

// State is where a rollout stands.
type State struct {
	// Rollout goes into the template's status; nil at rest.
	Rollout *v1alpha1.TemplateRollout
	// Updated is the number of records that have the newest revision.
	Updated int32
	// Status, Reason and Message make up v1alpha1.TemplateRolledOut.
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// Next decides which records take the revision hash next, given all records of the
// template and where the rollout stood. At most batch records are on their way at a
// time.
func Next(hash string, records []Record, previous *v1alpha1.TemplateRollout, batch int) State {
	byKey := make(map[string]Record, len(records))
	var outdated []string
	for _, record := range records {
		byKey[record.Key] = record
		if record.Hash != hash {
			outdated = append(outdated, record.Key)
		}
	}
	slices.Sort(outdated)
	state := State{Updated: int32(len(records) - len(outdated))}

	var started, failed []string
	if previous != nil && previous.Hash == hash {
		started, failed = previous.Batch, previous.Failed
	}
	next := &v1alpha1.TemplateRollout{Hash: hash}
	for _, key := range sortedUnion(started, failed) {
		record, exists := byKey[key]
		switch {
		case !exists, record.Hash == hash && record.Healthy:
			// Gone, or done.
		case record.Hash == hash && record.Degraded:
			next.Failed = append(next.Failed, key)
		case slices.Contains(failed, key) && record.Hash == hash:
			// It recovers, and has not yet.
			next.Failed = append(next.Failed, key)
		default:
			next.Batch = append(next.Batch, key)
		}
	}
	if len(next.Failed) == 0 {
		for _, key := range outdated {
			if len(next.Batch) >= batch {
				break
			}
			if !slices.Contains(next.Batch, key) {
				next.Batch = append(next.Batch, key)
			}
		}
		slices.Sort(next.Batch)
	}

	switch {
	case len(next.Failed) > 0 && len(outdated) > 0:
		state.Rollout = next
		state.Status, state.Reason = metav1.ConditionFalse, ReasonStopped
		state.Message = fmt.Sprintf("%s degraded with revision %s, so %d records keep theirs: correct the template or the records.",
			names(next.Failed), hash, len(outdated))
	case len(outdated) > 0 || len(next.Batch) > 0:
		state.Rollout = next
		state.Status, state.Reason = metav1.ConditionFalse, ReasonInProgress
		state.Message = fmt.Sprintf("%d of %d records have revision %s.", state.Updated, len(records), hash)
	default:
		// Records that failed when no other was left to protect are their own matter.
		state.Status, state.Reason = metav1.ConditionTrue, ReasonComplete
		state.Message = "Every record has the newest revision."
	}
	return state
}

// Takes tells whether a record that has the revision held takes the newest one,
// hash. A record that is degraded anyway need not wait for its turn, unless the
// rollout has stopped.
func Takes(key, held, hash string, degraded bool, rollout *v1alpha1.TemplateRollout) bool {
	switch {
	case held == hash || held == "":
		return true
	case rollout == nil || rollout.Hash != hash:
		// Nobody has decided about this revision yet.
		return false
	case len(rollout.Failed) > 0:
		return slices.Contains(rollout.Batch, key)
	default:
		return degraded || slices.Contains(rollout.Batch, key)
	}
}

func sortedUnion(a, b []string) []string {
	union := slices.Concat(a, b)
	slices.Sort(union)
	return slices.Compact(union)
}

func names(keys []string) string {
	if len(keys) <= shown {
		return fmt.Sprintf("%v", keys)
	}
	return fmt.Sprintf("%v and %d more", keys[:shown], len(keys)-shown)
}
