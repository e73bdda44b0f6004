// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcauth

import (
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// CallsPerSecond and CallBurst are what one caller gets of a server, unless the
	// server says otherwise.
	CallsPerSecond = 500
	CallBurst      = 1000
	// callers bounds the memory for callers.
	callers = 4096
)

// Limits gives each caller its share.
type Limits struct {
	clock clock.PassiveClock
	rate  rate.Limit
	burst int
	mu    sync.Mutex
	known *lru.Cache
}

// NewLimits lets every caller do something so often per second, and a burst of
// them at once.
func NewLimits(clock clock.PassiveClock, perSecond rate.Limit, burst int) *Limits {
	return &Limits{clock: clock, rate: perSecond, burst: burst, known: lru.New(callers)}
}

// Allow tells whether the caller may do it once more now.
func (l *Limits) Allow(caller string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	value, _ := l.known.Get(caller)
	limiter, ok := value.(*rate.Limiter)
	if !ok {
		limiter = rate.NewLimiter(l.rate, l.burst)
		l.known.Add(caller, limiter)
	}
	return limiter.AllowN(l.clock.Now(), 1)
}
