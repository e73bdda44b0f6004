// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package filelock lets one process at a time do a piece of work.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// retryEvery is how often a taken lock is tried again. flock(2) itself cannot
// be interrupted by a context.
const retryEvery = 50 * time.Millisecond

// Lock is held until Release, or until the process ends in whatever way.
type Lock struct{ file *os.File }

// Acquire waits for the lock at path, whose file it makes when needed. waiting,
// if not nil, is called once when another process holds the lock.
func Acquire(ctx context.Context, path string, waiting func()) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of lock %s: %w", path, err)
	}
	for {
		lock, err := try(path)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if lock != nil {
			return lock, nil
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another process to release %s: %w", path, context.Cause(ctx))
		case <-time.After(retryEvery):
		}
	}
}

// try returns nil without an error when the lock is taken.
func try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		// The folder went away with the previous holder.
		return nil, os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return nil, nil
		}
		return nil, err
	}
	// The previous holder may have removed the file between open and flock; a
	// lock on a file without a name would exclude nobody.
	held, err := f.Stat()
	if err == nil {
		var named os.FileInfo
		if named, err = os.Stat(path); err == nil && os.SameFile(held, named) {
			return &Lock{file: f}, nil
		}
	}
	_ = f.Close()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return nil, nil
}

// Release gives the lock up and removes its file.
func (l *Lock) Release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}
