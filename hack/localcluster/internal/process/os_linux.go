// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// startOf combines the boot with the clock tick of that boot at which the
// process started, because ticks begin anew after a reboot.
func startOf(pid int) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	ticks, err := startTicks(string(stat))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + ticks, nil
}

// errEnded is returned for a process that only waits to be collected.
var errEnded = errors.New("the process has ended")

// startTicks reads field 22 of /proc/PID/stat, see proc_pid_stat(5).
func startTicks(stat string) (string, error) {
	// Field 2 is the program's name in parentheses, which may hold spaces and
	// parentheses itself; the fields after the last one are safe to split.
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", fmt.Errorf("no program name in %q", stat)
	}
	fields := strings.Fields(stat[end+1:])
	// Fields 3, 20 and 22.
	const state, threads, startTime = 0, 17, 19
	if len(fields) <= startTime {
		return "", fmt.Errorf("%d fields after the program name in %q, want more than %d", len(fields), stat, startTime)
	}
	// The first thread of a killed process may be done while others still hold
	// its files and ports.
	if s := fields[state]; s == "X" || s == "Z" && fields[threads] == "1" {
		return "", errEnded
	}
	return fields[startTime], nil
}

// FindByEnv returns the processes that were started with the given environment
// variable. It finds those that were started but never written down.
func FindByEnv(name, value string) []Identity {
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
	want := []byte(name + "=" + value)
	var found []Identity
	for _, file := range files {
		// Unreadable: ended meanwhile, or another user's.
		env, err := os.ReadFile(file)
		if err != nil || !containsVariable(env, want) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if id, err := Identify(pid); err == nil {
			found = append(found, id)
		}
	}
	return found
}

func containsVariable(env, want []byte) bool {
	for variable := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(variable, want) {
			return true
		}
	}
	return false
}

// attributes of a new process. SIGKILL on the death of the starting thread
// covers every way in which the starting process can end; a group of its own
// keeps the terminal's Ctrl-C from ending it before its starter decides.
func attributes(detached bool) *syscall.SysProcAttr {
	if detached {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
