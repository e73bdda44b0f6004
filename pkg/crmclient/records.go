// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// RecordState is what is known of one record of a cluster.
type RecordState struct {
	// Record as the cluster last told it; nil when there is none. Not to be
	// changed.
	Record *deploymentv1.DeploymentRecord
	// Known is true once the cluster has told all its records, so that a missing
	// one is really missing.
	Known bool
	// Stale is true while the cluster is out of contact, so that the record may
	// have changed since.
	Stale bool
}

// records is the live copy of a cluster's deployment records.
type records struct {
	mu    sync.RWMutex
	byID  map[string]*deploymentv1.DeploymentRecord
	known bool
	stale bool
	// heard is when contact was last made; zero before the first time.
	heard time.Time
}

func newRecords() *records {
	return &records{byID: map[string]*deploymentv1.DeploymentRecord{}}
}

func (r *records) get(id string) RecordState {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return RecordState{Record: r.byID[id], Known: r.known, Stale: r.stale}
}

func (r *records) list() (all []*deploymentv1.DeploymentRecord, known, stale bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all = slices.SortedFunc(maps.Values(r.byID), func(a, b *deploymentv1.DeploymentRecord) int {
		return cmp.Compare(a.GetUnit().GetId(), b.GetUnit().GetId())
	})
	return all, r.known, r.stale
}

func (r *records) put(record *deploymentv1.DeploymentRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[record.GetUnit().GetId()] = record
}

func (r *records) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

// replace takes over a full set and returns every record that is or was in it,
// the new form where there is one. first is true for the first set: from then on
// a missing record is known to be missing.
func (r *records) replace(full map[string]*deploymentv1.DeploymentRecord) (touched []*deploymentv1.DeploymentRecord, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.byID)
	maps.Copy(all, full)
	first = !r.known
	r.byID = full
	r.known = true
	return slices.Collect(maps.Values(all)), first
}

// contact tells how well the cluster is heard of.
func (r *records) contact() (known, stale bool, heard time.Time) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.known, r.stale, r.heard
}

// hear notes that contact was made.
func (r *records) hear(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = at
}

// setStale tells whether that was news.
func (r *records) setStale(stale bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.stale != stale
	r.stale = stale
	return changed
}
