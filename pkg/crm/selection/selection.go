// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package selection chooses the template of a deployment record: hard filters
// first, then a score. It decides and does nothing else, and its result does not
// depend on the order of the candidates. docs/selection.md tells users the same.
//
// # Filters
//
// A template is eligible when all of these hold:
//
//   - it is in order: its expressions and manifests compile;
//   - it may be used: the environment allows it, its selectionCriteria.environments
//     name the environment or none, its selectionCriteria.when is true, and for the
//     type Knative the program's feature is on;
//   - the cluster serves every kind that it needs;
//   - its capabilities cover the requirements: maxThroughputRPS is not below the
//     throughput, minLatencyMs not above the latency bound;
//   - no function asks for more of a resource than the environment's ceiling for the
//     template;
//   - if it scales to zero: no latency bound below ColdStartMs and no availability
//     that asks for two copies, as long as some function may have no replica;
//   - for persistent state on a cluster with a configured data grid: it runs the
//     grid, or has persistent storage of its own.
//
// A record that pins a template gets that one or an error. A template that is chosen
// must also be serving and not onlyPinned, and one that scales to zero is chosen
// only where that can happen: no latency bound below ColdStartMs, no availability
// that asks for two copies, and no function that keeps a replica.
//
// # Score
//
//	30  it follows the load, and some function has room to grow
//	20  it scales to zero, and every function may rest: no throughput above
//	    RestingThroughputRPS is required
//	30  the class has state, and its data grid runs as a cluster of its own
//	20  the class has state, and its data grid runs beside the functions; 35 for a
//	    latency bound below LocalStateMs, which a hop to the grid would eat up
//	25  the class has persistent state, and the template storage of its own instead
//	    of a grid
//	20  the latency bound is within the template's maxLatencyMs
//	10  the template names no maxLatencyMs: good for any bound
//	10  it has no persistent storage that nothing would use
//	15  its selectionCriteria.environments name the environment
//	 p  selectionCriteria.priority, -100 to 100
//
// The greatest sum wins; among equal ones the greater priority, then the name that
// sorts first.
//
// Without a configured data grid no template keeps state in one, so state then
// neither excludes nor earns anything, apart from storage of the template's own.
package selection

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
)

const (
	// ColdStartMs is the latency bound, in milliseconds, below which no function may
	// scale to zero: the first call waits while a pod is placed, its image pulled and
	// its container started.
	ColdStartMs = 5000
	// RestingThroughputRPS is the greatest required throughput, in requests per
	// second, at which a function is taken to be without calls now and then.
	RestingThroughputRPS = 100
	// LocalStateMs is the latency bound, in milliseconds, below which state belongs
	// beside the function instead of a hop away.
	LocalStateMs = 50
)

// Candidate is a template that exists on the cluster.
type Candidate struct {
	// Name of the template.
	Name string
	// Spec of the template.
	Spec *v1alpha1.DeploymentTemplateSpec
	// Invalid says why the template cannot be used at all, such as an expression
	// that does not compile; nil for one that is in order.
	Invalid error
	// Missing are kinds that the template needs and the cluster does not serve.
	Missing []schema.GroupKind
	// Matches is the result of selectionCriteria.when; true for a template without.
	Matches bool
	// MatchError says why selectionCriteria.when has no result.
	MatchError error
}

// Request is a record that needs a template, and everything that decides.
type Request struct {
	// Record is the specification of the record.
	Record *v1alpha1.DeploymentRecordSpec
	// Analysis of the record's requirements.
	Analysis nfr.Analysis
	// Environment that the record runs in.
	Environment environment.Environment
	// Candidates are all templates, in any order.
	Candidates []Candidate
}

// Result is the choice.
type Result struct {
	// Template is the name of the winner; empty where there is none.
	Template string
	// Status explains the choice, also where there is no winner: the winner first,
	// then the other eligible templates by score, then the rest by name.
	Status v1alpha1.TemplateSelection
}

// Select chooses the template of a record. The error is a *NoTemplateError or a
// *PinnedError; the result's status is filled in either way.
func Select(request Request) (Result, error) {
	if request.Record.SelectedTemplate != "" {
		return request.pinned()
	}
	verdicts := make([]verdict, 0, len(request.Candidates))
	for _, candidate := range request.Candidates {
		verdicts = append(verdicts, request.judge(candidate, chosen))
	}
	slices.SortFunc(verdicts, verdict.compare)
	result := Result{}
	for _, v := range verdicts {
		result.Status.Candidates = append(result.Status.Candidates, v.TemplateCandidate)
	}
	if len(verdicts) == 0 || !verdicts[0].Eligible {
		return result, &NoTemplateError{Candidates: result.Status.Candidates}
	}
	result.Template = verdicts[0].Template
	return result, nil
}

// pinned judges the template that the record pins, and no other.
func (r Request) pinned() (Result, error) {
	name := r.Record.SelectedTemplate
	var known []string
	for _, candidate := range r.Candidates {
		known = append(known, candidate.Name)
	}
	slices.Sort(known)
	index := slices.IndexFunc(r.Candidates, func(candidate Candidate) bool { return candidate.Name == name })
	if index < 0 {
		return Result{Status: v1alpha1.TemplateSelection{Candidates: []v1alpha1.TemplateCandidate{
			{Template: name, Reasons: []string{"does not exist"}},
		}}}, &PinnedError{Template: name, Known: known}
	}
	v := r.judge(r.Candidates[index], pinned)
	result := Result{Status: v1alpha1.TemplateSelection{Candidates: []v1alpha1.TemplateCandidate{v.TemplateCandidate}}}
	if !v.Eligible {
		return result, &PinnedError{Template: name, Reasons: v.Reasons, Known: known}
	}
	result.Template = name
	result.Status.Candidates[0].Reasons = append([]string{"pinned by the record"}, v.Reasons...)
	return result, nil
}

// way is how a template comes to a record.
type way int

const (
	// chosen by requirements.
	chosen way = iota
	// pinned by the record.
	pinned
)

// verdict is what a template comes to.
type verdict struct {
	v1alpha1.TemplateCandidate
	priority int32
}

// compare sorts the best first.
func (v verdict) compare(other verdict) int {
	switch {
	case v.Eligible != other.Eligible:
		if v.Eligible {
			return -1
		}
		return 1
	case v.Eligible:
		return cmp.Or(cmp.Compare(other.Score, v.Score), cmp.Compare(other.priority, v.priority), strings.Compare(v.Template, other.Template))
	default:
		return strings.Compare(v.Template, other.Template)
	}
}

func (r Request) judge(candidate Candidate, by way) verdict {
	v := verdict{TemplateCandidate: v1alpha1.TemplateCandidate{Template: candidate.Name}}
	c := contest{Request: r, candidate: candidate, demand: r.demand(candidate.Name)}
	if v.Reasons = c.obstacles(by); len(v.Reasons) > 0 {
		return v
	}
	v.Eligible = true
	v.priority = candidate.Spec.SelectionCriteria.Priority
	for _, p := range c.points() {
		v.Score += p.value
		v.Reasons = append(v.Reasons, fmt.Sprintf("%+d %s", p.value, p.reason))
	}
	v.Reasons = append(v.Reasons, c.remarks()...)
	return v
}
