// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package reports takes what clusters report of their units and keeps it as
// runtime states: it says what is wrong with a report, orders reports by when they
// were observed, and writes at a bounded rate however often they come.
package reports

import (
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/pm"
)

// Unit names a unit of a class deployment on a cluster.
type Unit struct {
	// Cluster that runs the unit.
	Cluster string
	// DeploymentID names the unit on its cluster.
	DeploymentID string
	// Namespace and ClassDeployment name what the unit belongs to.
	Namespace, ClassDeployment string
}

// Key names the unit's runtime state.
func (u Unit) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: u.Namespace, Name: u.Cluster + "." + u.DeploymentID}
}

// Report is what a cluster observed of a unit. It holds one half or both.
type Report struct {
	// Unit that was observed.
	Unit Unit
	// Status is how the unit is doing.
	Status *Status
	// Metrics are what the unit uses and does.
	Metrics *Metrics
}

// Status is how a unit is doing.
type Status struct {
	// Health in one word.
	Health pm.RuntimeHealth
	// Condition, Phase and Message are those of the unit's record.
	Condition, Phase, Message string
	// At is when this was so, to the microsecond.
	At time.Time
}

// Metrics are what a unit uses and does.
type Metrics struct {
	// Total of all functions.
	Total pm.RuntimeMetrics
	// Functions one by one.
	Functions []pm.FunctionRuntime
	// At is when it was measured, to the microsecond.
	At time.Time
}

// Outcome is what became of a report.
type Outcome int

const (
	// Accepted is stored or will be with the next write.
	Accepted Outcome = iota
	// Outdated is older than what is known.
	Outdated
	// UnknownUnit speaks of a unit that no class deployment has on the cluster.
	UnknownUnit
)

// precision is that of stored times.
const precision = time.Microsecond

// add takes over what is newer in another report of the same unit, and tells what
// became of it. A repetition changes nothing and is accepted, so that a caller who
// lost an answer can ask again.
func (r *Report) add(other Report) Outcome {
	outcome := Accepted
	if s := other.Status; s != nil {
		switch {
		case r.Status == nil || s.At.After(r.Status.At):
			r.Status = s
		case s.At.Before(r.Status.At):
			outcome = Outdated
		}
	}
	if m := other.Metrics; m != nil {
		switch {
		case r.Metrics == nil || m.At.After(r.Metrics.At):
			r.Metrics = m
		case m.At.Before(r.Metrics.At):
			outcome = Outdated
		}
	}
	return outcome
}

// since returns what of the report is newer than the stored status, and tells
// whether any of the report is older.
func (r Report) since(stored *pm.RuntimeStateStatus) (news Report, older bool) {
	news.Unit = r.Unit
	if r.Status != nil {
		switch order(r.Status.At, stored.StatusObservedAt) {
		case 1:
			news.Status = r.Status
		case -1:
			older = true
		}
	}
	if r.Metrics != nil {
		switch order(r.Metrics.At, stored.MetricsObservedAt) {
		case 1:
			news.Metrics = r.Metrics
		case -1:
			older = true
		}
	}
	return news, older
}

func (r Report) empty() bool { return r.Status == nil && r.Metrics == nil }

// order compares a time to a stored one, of which there may be none yet.
func order(at time.Time, stored *metav1.MicroTime) int {
	if stored == nil {
		return 1
	}
	return at.Compare(stored.Truncate(precision))
}

// write puts the report into a status.
func (r Report) write(status *pm.RuntimeStateStatus) {
	if s := r.Status; s != nil {
		status.Health, status.Condition, status.Phase, status.Message = s.Health, s.Condition, s.Phase, s.Message
		status.StatusObservedAt = &metav1.MicroTime{Time: s.At}
	}
	if m := r.Metrics; m != nil {
		status.Total, status.Functions = m.Total, m.Functions
		status.MetricsObservedAt = &metav1.MicroTime{Time: m.At}
	}
	if status.Health == "" {
		status.Health = pm.RuntimeUnknown
	}
}

// urgency is how soon a report is to be written.
type urgency int

const (
	// refresh says only that nothing has changed.
	refresh urgency = iota
	// ordinary changes values.
	ordinary
	// urgent changes the health, or is the first.
	urgent
)

// urgencyOf compares a report with what is stored; nil when nothing is.
func urgencyOf(r Report, stored *pm.RuntimeState) urgency {
	if stored == nil || (r.Status != nil && r.Status.Health != stored.Status.Health) {
		return urgent
	}
	next := stored.Status
	r.write(&next)
	next.StatusObservedAt, next.MetricsObservedAt = stored.Status.StatusObservedAt, stored.Status.MetricsObservedAt
	if apiequality.Semantic.DeepEqual(next, stored.Status) {
		return refresh
	}
	return ordinary
}
