// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package process starts, recognises and ends the programs of a local cluster.
package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// pollEvery is how often a process that was killed is looked at until it is
// gone. Only a parent is told of an end, and the parent may be another program.
const pollEvery = 10 * time.Millisecond

// Identity tells a process from every other, also from a later one that was
// given the same process id.
type Identity struct {
	PID int `json:"pid"`
	// Start says when the process started, in whatever form the operating
	// system tells it; only equality means something.
	Start string `json:"start"`
}

// Identify returns the identity of the running process with the given id.
func Identify(pid int) (Identity, error) {
	start, err := startOf(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("finding out when process %d started: %w", pid, err)
	}
	return Identity{PID: pid, Start: start}, nil
}

// Running says whether this very process still runs. A process that ended but
// was not collected by its parent does not.
func (i Identity) Running() bool {
	if i.PID <= 0 || i.Start == "" {
		return false
	}
	start, err := startOf(i.PID)
	return err == nil && start == i.Start
}

// Signal sends a signal to the process; it is no error if it has ended.
func (i Identity) Signal(sig syscall.Signal) error {
	if !i.Running() {
		return nil
	}
	if err := syscall.Kill(i.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to process %d: %w", sig, i.PID, err)
	}
	return nil
}

// Kill ends the processes at once and returns when they are gone.
func Kill(ctx context.Context, processes ...Identity) error {
	var failures []error
	for _, p := range processes {
		failures = append(failures, p.Signal(syscall.SIGKILL))
	}
	for _, p := range processes {
		for p.Running() {
			select {
			case <-ctx.Done():
				failures = append(failures, fmt.Errorf("process %d still runs after SIGKILL: %w", p.PID, context.Cause(ctx)))
				return errors.Join(failures...)
			case <-time.After(pollEvery):
			}
		}
	}
	return errors.Join(failures...)
}
