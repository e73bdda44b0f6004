// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"cmp"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// Defaults of Options.
const (
	defaultBreakerFailures  = 5
	defaultBreakerOpenFor   = time.Minute
	defaultKeepaliveTime    = 30 * time.Second
	defaultKeepaliveTimeout = 10 * time.Second
	defaultMaxMessageBytes  = 8 << 20
	defaultRetryBackoff     = 100 * time.Millisecond
	defaultWatchBackoff     = 200 * time.Millisecond
	defaultMaxWatchBackoff  = 5 * time.Second
	defaultStaleAfter       = 10 * time.Second
)

// Options tune the links of a Pool. Zero values take the defaults.
type Options struct {
	// Secrets reads the Secrets that clusters refer to; without it, clusters
	// whose auth needs a Secret get no link.
	Secrets SecretReader
	// Clock times stale records and pauses between streams. Defaults to the real
	// one.
	Clock clock.Clock
	// Log gets what no caller sees, such as the end of a stream. The zero value
	// discards it.
	Log logr.Logger
	// BreakerFailures in a row open the circuit breaker. Defaults to 5.
	BreakerFailures uint32
	// BreakerOpenFor is how long an open breaker refuses calls. Defaults to 60 s.
	BreakerOpenFor time.Duration
	// KeepaliveTime is how long a connection in use may be silent before it is
	// probed. A server that allows no such rate closes the connection. Defaults
	// to 30 s.
	KeepaliveTime time.Duration
	// KeepaliveTimeout is how long a probe may take. Defaults to 10 s.
	KeepaliveTimeout time.Duration
	// MaxMessageBytes bounds messages in both directions. Defaults to 8 MiB.
	MaxMessageBytes int
	// RetryBackoff is the pause before the first repetition of a call; it doubles
	// up to twenty times its value. Defaults to 100 ms.
	RetryBackoff time.Duration
	// WatchBackoff is the pause before a broken stream is opened again; it
	// doubles up to MaxWatchBackoff. Defaults to 200 ms.
	WatchBackoff time.Duration
	// MaxWatchBackoff bounds the pause between streams. Defaults to 5 s.
	MaxWatchBackoff time.Duration
	// StaleAfter is how long a cluster may be out of contact before its records
	// count as stale. Defaults to 10 s.
	StaleAfter time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	o.BreakerFailures = cmp.Or(o.BreakerFailures, defaultBreakerFailures)
	o.BreakerOpenFor = cmp.Or(o.BreakerOpenFor, defaultBreakerOpenFor)
	o.KeepaliveTime = cmp.Or(o.KeepaliveTime, defaultKeepaliveTime)
	o.KeepaliveTimeout = cmp.Or(o.KeepaliveTimeout, defaultKeepaliveTimeout)
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, defaultMaxMessageBytes)
	o.RetryBackoff = cmp.Or(o.RetryBackoff, defaultRetryBackoff)
	o.WatchBackoff = cmp.Or(o.WatchBackoff, defaultWatchBackoff)
	o.MaxWatchBackoff = cmp.Or(o.MaxWatchBackoff, defaultMaxWatchBackoff)
	o.StaleAfter = cmp.Or(o.StaleAfter, defaultStaleAfter)
	return o
}
