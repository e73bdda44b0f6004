// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// raceMark begins what the race detector has to say, and raceEnd ends it.
var raceMark, raceEnd = []byte("WARNING: DATA RACE\n"), []byte("\n==================")

// raced returns what the race detector said of a program. One that is killed has no
// exit code to tell it with, so its log has to be read.
func (p *program) raced() error {
	if !raceDetector {
		return nil
	}
	log, err := os.ReadFile(p.logPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil // it never ran
	}
	if err != nil {
		return fmt.Errorf("looking for data races of %s: %w", p.name, err)
	}
	if count, first := racesIn(log); count > 0 {
		return fmt.Errorf("%s has data races (%d in its log), the first of which is:\n%s", p.name, count, first)
	}
	return nil
}

// racesIn counts the data races that a log tells of, and returns the first.
func racesIn(log []byte) (count int, first []byte) {
	if count = bytes.Count(log, raceMark); count == 0 {
		return 0, nil
	}
	_, first, _ = bytes.Cut(log, raceMark)
	first, _, _ = bytes.Cut(first, raceEnd)
	return count, first
}
