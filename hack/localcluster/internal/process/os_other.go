// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package process

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

func startOf(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", err
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if start = strings.TrimSpace(start); start == "" || strings.HasPrefix(state, "Z") {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return start, nil
}

// FindByEnv finds nothing: this operating system does not show the environment
// of other processes to everybody.
func FindByEnv(string, string) []Identity { return nil }

// attributes of a new process. One that is not detached stays in the group of
// its starter, so that what ends the group ends both: here, the kernel cannot
// tie the life of a child to that of its parent.
func attributes(detached bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: detached}
}
