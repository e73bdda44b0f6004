// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import "time"

// CPU is the time that a process has spent on processors.
func CPU(pid int) (time.Duration, error) {
	t, err := times(pid)
	return t.CPU, err
}
