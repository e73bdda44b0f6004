// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !race

package platform

// raceDetector says whether this program has the race detector, and so those that it
// builds and runs.
const raceDetector = false
