// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// MiB is a mebibyte in bytes.
const MiB = 1 << 20

// ticksPerSecond is the unit of times in /proc: the kernel tells user space 100
// on every architecture that Go supports.
const ticksPerSecond = 100

// ResidentBytes reads the resident memory from the content of /proc/PID/status,
// see proc_pid_status(5).
func ResidentBytes(status string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		number, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		kib, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil {
			return 0, fmt.Errorf("resident memory %q: want a number of kB", strings.TrimSpace(value))
		}
		return kib << 10, nil
	}
	return 0, errors.New("the process tells no resident memory")
}

// Times are what a process has used and when it started.
type Times struct {
	// CPU is the time that the process has spent on processors.
	CPU time.Duration
	// Start is when the process started, counted from the start of the system, to
	// 10 ms.
	Start time.Duration
}

// ProcessTimes reads the content of /proc/PID/stat, see proc_pid_stat(5).
func ProcessTimes(stat string) (Times, error) {
	// The second field, the program's name, may hold spaces and parentheses.
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	// Fields 14, 15 and 22, of which the first here is the third.
	const user, system, start = 11, 12, 19
	if end < 0 || len(fields) <= start {
		return Times{}, fmt.Errorf("%q is not the status of a process", stat)
	}
	var ticks [3]int64
	for i, field := range []int{user, system, start} {
		var err error
		if ticks[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return Times{}, fmt.Errorf("times of a process: %w", err)
		}
	}
	const tick = time.Second / ticksPerSecond
	return Times{CPU: time.Duration(ticks[0]+ticks[1]) * tick, Start: time.Duration(ticks[2]) * tick}, nil
}

// Uptime reads how long the system runs from the content of /proc/uptime.
func Uptime(content string) (time.Duration, error) {
	first, _, _ := strings.Cut(content, " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0, fmt.Errorf("how long the system runs: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// LiveHeapBytes reads the bytes of allocated objects from a heap profile of Go's
// net/http/pprof in its text form (debug=1).
func LiveHeapBytes(profile io.Reader) (int64, error) {
	lines := bufio.NewScanner(profile)
	// Lines of stacks are long.
	lines.Buffer(nil, MiB)
	for lines.Scan() {
		if value, ok := bytes.CutPrefix(lines.Bytes(), []byte("# HeapAlloc = ")); ok {
			live, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("live heap: %w", err)
			}
			return live, nil
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("reading a heap profile: %w", err)
	}
	return 0, errors.New("the heap profile tells no HeapAlloc: ask for it with debug=1")
}
