// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// cacheRetry is the wait for the cache to show a record that was written a moment
	// ago.
	cacheRetry = 20 * time.Millisecond
	// cachePatience is how long a pass waits for that. The cache may never show the
	// version that was written, for another may have followed.
	cachePatience = 5 * time.Second
	// detailDelay is how long details of a rollout, such as the number of ready
	// replicas, wait for what comes next, so that a start costs few writes.
	detailDelay = 10 * time.Second
)

// progress is what passes remember of their records. All of it may be forgotten.
type progress struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	written map[types.NamespacedName]version
	// detailsSince is when a status was first seen to differ in details only.
	detailsSince map[types.NamespacedName]time.Time
}

// version is what the last write of a record brought.
type version struct {
	uid     types.UID
	version string
	at      time.Time
}

func newProgress(clock clock.PassiveClock) *progress {
	return &progress{clock: clock, written: map[types.NamespacedName]version{}, detailsSince: map[types.NamespacedName]time.Time{}}
}

// wrote takes note of a record as a write returned it.
func (p *progress) wrote(record *v1alpha1.DeploymentRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written[nameOf(record)] = version{uid: record.UID, version: record.ResourceVersion, at: p.clock.Now()}
}

// outdated tells whether a record is older than what was written last.
func (p *progress) outdated(record *v1alpha1.DeploymentRecord) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.written[nameOf(record)]
	if !ok {
		return false
	}
	if last.uid == record.UID && p.clock.Since(last.at) < cachePatience {
		if order, err := resourceversion.CompareResourceVersion(record.ResourceVersion, last.version); err == nil && order < 0 {
			return true
		}
	}
	delete(p.written, nameOf(record))
	return false
}

// detailsDue returns how long details of a status may still wait to be written.
func (p *progress) detailsDue(name types.NamespacedName) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, ok := p.detailsSince[name]
	if !ok {
		since = p.clock.Now()
		p.detailsSince[name] = since
	}
	return max(0, detailDelay-p.clock.Since(since))
}

// upToDate forgets details that were written or are no more.
func (p *progress) upToDate(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.detailsSince, name)
}

func (p *progress) forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.detailsSince, name)
	delete(p.written, name)
}
