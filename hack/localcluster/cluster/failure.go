// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"oaas.io/oaas/hack/localcluster/binaries"
)

const (
	// tailLines is how much of a log an error shows.
	tailLines = 15
	// tailBytes is how much of a log is read for it.
	tailBytes = 16 << 10
)

// stoppedError says that a program ended which should run.
type stoppedError struct {
	program binaries.Program
	cause   error
	log     string
	end     string
}

func (e *stoppedError) Error() string {
	return fmt.Sprintf("%s stopped: %v; the end of %s:\n%s", e.program, e.cause, e.log, e.end)
}

func (e *stoppedError) Unwrap() error { return e.cause }

// portTaken says whether the program ended because another one listens on its
// port.
func (e *stoppedError) portTaken() bool { return strings.Contains(e.end, "address already in use") }

var errEnded = errors.New("the process has ended")

// stoppedProgram returns an error for a program that was started and has ended,
// or nil. etcd comes first, because the others end for lack of it.
func (c *Cluster) stoppedProgram() error {
	processes := c.snapshot().Processes
	for _, p := range binaries.ControlPlane() {
		id, started := processes[p]
		if !started || id.Running() {
			continue
		}
		e := &stoppedError{program: p, cause: errEnded, log: c.layout.log(p)}
		if child := c.child(id.PID); child != nil {
			<-child.Exited()
			if err := child.Err(); err != nil {
				e.cause = err
			}
		}
		e.end = tail(e.log, tailLines)
		return e
	}
	return nil
}

// tail returns the last lines of a log, or says why it cannot.
func tail(path string, lines int) string {
	content, err := readEnd(path, tailBytes)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	text := strings.TrimRight(string(content), "\n")
	if text == "" {
		return "(the log is empty)"
	}
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func readEnd(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > size {
		if _, err := f.Seek(-size, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(f)
}
