// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/internal/filelock"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

const (
	// environmentMarker tells in the environment of a process whose it is: its
	// value is the state folder. It finds a program whose start was interrupted
	// before it was written down.
	environmentMarker = "OAAS_LOCAL_CLUSTER"
	// stopTimeout bounds the cleaning up after a failed start.
	stopTimeout = 30 * time.Second
)

// Stop ends every program and removes the state folder. It also clears away a
// cluster that is half up, or was stopped before.
func (c *Cluster) Stop(ctx context.Context) error {
	lock, err := filelock.Acquire(ctx, c.layout.lock(), nil)
	if err != nil {
		return err
	}
	if err := errors.Join(c.stopLocked(ctx), lock.Release()); err != nil {
		return fmt.Errorf("stopping cluster %s: %w", c.Name(), err)
	}
	c.removeEmptyBase()
	return nil
}

func (c *Cluster) stopLocked(ctx context.Context) error {
	// Another process may have repaired the cluster since.
	latest, err := loadState(c.layout)
	switch {
	case errors.Is(err, ErrNotFound):
		return c.killAll(ctx)
	case err != nil:
		return err
	}
	c.mu.Lock()
	c.state = latest
	c.mu.Unlock()
	if err := c.killAll(ctx); err != nil {
		return err
	}
	return removeFolder(c.layout)
}

// killAll ends every program at once. None has anything to write that is worth
// waiting for: etcd's data survive a kill, and mostly go next.
func (c *Cluster) killAll(ctx context.Context) error {
	processes := process.FindByEnv(environmentMarker, c.Dir())
	for _, id := range c.snapshot().Processes {
		if !slices.Contains(processes, id) {
			processes = append(processes, id)
		}
	}
	if err := process.Kill(ctx, processes...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.state.Processes)
	for _, child := range c.children {
		<-child.Exited()
	}
	clear(c.children)
	if c.starter != nil {
		c.starter.Close()
		c.starter = nil
	}
	return nil
}

// kill ends single programs before they are started anew.
func (c *Cluster) kill(ctx context.Context, programs ...binaries.Program) error {
	known := c.snapshot().Processes
	var processes []process.Identity
	for _, p := range programs {
		processes = append(processes, known[p])
	}
	if err := process.Kill(ctx, processes...); err != nil {
		return err
	}
	return c.update(func(s *state) {
		for _, p := range programs {
			delete(s.Processes, p)
		}
	})
}

func (c *Cluster) child(pid int) *process.Child {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.children[pid]
}

// removeFolder removes the state file last: as long as it is there, an
// interrupted removal can be taken up again.
func removeFolder(l layout) error {
	entries, err := os.ReadDir(string(l))
	if err != nil {
		return fmt.Errorf("removing the state folder: %w", err)
	}
	for _, entry := range entries {
		if path := l.path(entry.Name()); path != l.state() {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("removing the state folder: %w", err)
			}
		}
	}
	if err := errors.Join(os.Remove(l.state()), os.Remove(string(l))); err != nil {
		return fmt.Errorf("removing the state folder: %w", err)
	}
	return nil
}

// removeEmptyBase removes the default folder of clusters with the last of them.
func (c *Cluster) removeEmptyBase() {
	base, err := DefaultBaseDir()
	if err != nil || filepath.Dir(c.Dir()) != base {
		return
	}
	// Removing a folder that is not empty fails, as it should.
	if os.Remove(base) == nil {
		_ = os.Remove(filepath.Dir(base)) // the cache of programs may be there
	}
}
