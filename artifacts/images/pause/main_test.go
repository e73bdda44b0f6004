// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestPauseEndsWhenToldToAndNotBefore(t *testing.T) {
	for _, last := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		signals := make(chan os.Signal, 3)
		signals <- syscall.SIGCHLD
		signals <- last
		signals <- syscall.SIGCHLD
		pause(signals)
		if left := len(signals); left != 1 {
			t.Errorf("%d signals were left when it ended, want the one after %v", left, last)
		}
	}
}

func TestReapCollectsEveryOrphan(t *testing.T) {
	pids := make([]int, 3)
	for i := range pids {
		// Not exec.Cmd, which would collect the process itself.
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		pids[i] = pid
	}
	deadline := time.Now().Add(time.Minute)
	for _, pid := range pids {
		for syscall.Kill(pid, 0) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
			reap()
			time.Sleep(time.Millisecond)
		}
	}
}
