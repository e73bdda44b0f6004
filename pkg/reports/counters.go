// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import "github.com/prometheus/client_golang/prometheus"

// Counters are the metrics of a recorder.
type Counters struct {
	*prometheus.CounterVec
}

// NewCounters returns counters at zero.
func NewCounters() *Counters {
	return &Counters{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pm_report_writes_total",
		Help: "Reports of clusters by how writing them went: written; outdated, when another replica stored a newer one; " +
			"dropped, when the unit was gone; refused by validation; failed, which is tried again.",
	}, []string{"outcome"})}
}
