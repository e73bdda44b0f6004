// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// breaker stops calls to a cluster that failed several times in a row, so that
// work for it fails at once instead of waiting for a deadline each time.
type breaker struct {
	threshold uint32
	openFor   time.Duration
	clock     clock.PassiveClock
	// changed is told about every change of state, with no lock held.
	changed func()

	mu        sync.Mutex
	circuit   *gobreaker.CircuitBreaker[any]
	openUntil time.Time
}

func newBreaker(threshold uint32, openFor time.Duration, clock clock.PassiveClock, changed func()) *breaker {
	b := &breaker{threshold: threshold, openFor: openFor, clock: clock, changed: changed}
	b.circuit = b.newCircuit()
	return b
}

func (b *breaker) newCircuit() *gobreaker.CircuitBreaker[any] {
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		MaxRequests:  1,
		Timeout:      b.openFor,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= b.threshold },
		IsSuccessful: func(err error) bool { return !countsAsFailure(err) },
		// A caller that gave up tells nothing about the cluster.
		IsExcluded: func(err error) bool { return errors.Is(err, errGivenUp) || status.Code(err) == codes.Canceled },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			b.mu.Lock()
			if to == gobreaker.StateOpen {
				b.openUntil = b.clock.Now().Add(b.openFor)
			} else {
				b.openUntil = time.Time{}
			}
			b.mu.Unlock()
			// The circuit calls this with its own lock held, and whoever is told
			// asks for the state.
			go b.changed()
		},
	})
}

// do makes the call unless the breaker is open.
func (b *breaker) do(call func() error) error {
	b.mu.Lock()
	circuit := b.circuit
	b.mu.Unlock()
	_, err := circuit.Execute(func() (any, error) { return nil, call() })
	return err
}

// reset closes the breaker: the cluster is known to answer again.
func (b *breaker) reset() {
	b.mu.Lock()
	open := !b.openUntil.IsZero()
	if open {
		b.circuit = b.newCircuit()
		b.openUntil = time.Time{}
	}
	b.mu.Unlock()
	if open {
		b.changed()
	}
}

func (b *breaker) status() pmv1alpha1.CircuitBreakerStatus {
	b.mu.Lock()
	circuit := b.circuit
	b.mu.Unlock()
	// Asking moves an open circuit on whose time is over, which takes b.mu.
	state := circuit.State()
	failures := circuit.Counts().ConsecutiveFailures
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case gobreaker.StateOpen:
		until := metav1.NewTime(b.openUntil.Truncate(time.Second))
		return pmv1alpha1.CircuitBreakerStatus{State: pmv1alpha1.CircuitOpen, Failures: int32(b.threshold), OpenUntil: &until}
	case gobreaker.StateHalfOpen:
		return pmv1alpha1.CircuitBreakerStatus{State: pmv1alpha1.CircuitHalfOpen, Failures: int32(b.threshold)}
	default:
		return pmv1alpha1.CircuitBreakerStatus{State: pmv1alpha1.CircuitClosed, Failures: int32(failures)}
	}
}

// countsAsFailure tells a cluster that gives no answer, or a broken one, from a
// cluster that answers no.
func countsAsFailure(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		return err != nil
	default:
		return false
	}
}
