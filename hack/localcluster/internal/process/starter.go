// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Child is a process that this one started.
type Child struct {
	Identity

	exited chan struct{}
	err    error
}

// Exited is closed when the process has ended and was collected.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// Err says how the process ended; valid once Exited is closed.
func (c *Child) Err() error { return c.err }

// Command is what to start.
type Command struct {
	// Path is the program's absolute path.
	Path string
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Log is the file that standard output and error are appended to.
	Log string
}

// Starter starts processes that end with this process or, if detached, outlive
// it.
type Starter struct {
	detached bool
	work     chan func()
}

// NewStarter returns a Starter; Close it when its processes have ended.
func NewStarter(detached bool) *Starter {
	s := &Starter{detached: detached, work: make(chan func())}
	go s.run()
	return s
}

// run starts everything from one thread that lives until Close: the kernel
// counts the end of the thread that started a process, not that of the whole
// parent, and the scheduler
// may end any thread that no goroutine is locked to.
func (s *Starter) run() {
	runtime.LockOSThread()
	for f := range s.work {
		f()
	}
	// Returning without unlocking ends the thread, and with it any process that
	// is still there.
}

// Close ends the processes that are not detached. Start must not be called
// afterwards.
func (s *Starter) Close() { close(s.work) }

// Start starts a process.
func (s *Starter) Start(c Command) (*Child, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", filepath.Base(c.Path), err)
	}
	defer func() { _ = log.Close() }()
	// No context: the process outlives the call that starts it.
	cmd := exec.Command(c.Path, c.Args...) //nolint:noctx // see above
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(s.detached)
	// The current folder may be removed while the process runs.
	cmd.Dir = "/"

	started := make(chan error)
	s.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Path, err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err != nil {
		// It has ended already, or cannot be told from others: without an
		// identity nothing could end it later.
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	child := &Child{Identity: id, exited: make(chan struct{})}
	go func() {
		child.err = cmd.Wait()
		close(child.exited)
	}()
	return child, nil
}
