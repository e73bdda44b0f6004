// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command pause holds the namespaces of a pod. It sleeps until it is told to
// end, and collects the pod's orphans where processes share a namespace.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	pause(signals)
}

// pause returns when it is told to.
func pause(signals <-chan os.Signal) {
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap collects every process that has ended. One signal may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
