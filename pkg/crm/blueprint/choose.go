// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/rollout"
	"oaas.io/oaas/pkg/crm/selection"
	"oaas.io/oaas/pkg/crm/template"
)

// choose returns the template of a record, in the revision that is the record's
// turn, and why it was chosen.
//
// A record keeps its template as long as that can serve it and its requirements
// stay the same: a new template that scores higher is no reason to replace what
// runs.
func (b *Blueprint) choose(in *inputs, analysis nfr.Analysis) (*template.Template, *v1alpha1.TemplateSelection, error) {
	record := in.record
	compilations := make(map[string]compilation, len(in.templates))
	var candidates []selection.Candidate
	for i := range in.templates {
		t := &in.templates[i]
		if t.DeletionTimestamp != nil && record.Status.SelectedTemplate != t.Name {
			// On its way out; records that have it keep it alive until they are gone.
			continue
		}
		made := b.revision(t, record)
		compilations[t.Name] = made
		candidates = append(candidates, in.candidate(t, made))
	}
	result, err := selection.Select(selection.Request{Record: &record.Spec, Analysis: analysis, Environment: in.environment, Candidates: candidates})
	if err != nil {
		refusal := refusalOf(err, &result.Status)
		if unfit := compilations[record.Spec.SelectedTemplate].template; unfit != nil {
			// A revision that does not fit those that pin it goes to no other record.
			refusal.Template, refusal.TemplateHash = unfit.Name, unfit.Hash
		}
		return nil, nil, refusal
	}
	name, explanation := result.Template, &result.Status
	if kept := record.Status.SelectedTemplate; kept != name && settled(record) && eligible(kept, result.Status) {
		name, explanation = kept, record.Status.TemplateSelection
	} else if kept == name && settled(record) && record.Status.TemplateSelection != nil {
		// Why it was chosen does not change when others come and go.
		explanation = record.Status.TemplateSelection
	}
	return compilations[name].template, explanation, nil
}

// settled records have a template that was chosen for their present requirements.
func settled(record *v1alpha1.DeploymentRecord) bool {
	return record.Status.SelectedTemplate != "" && record.Status.ObservedGeneration == record.Generation
}

func eligible(name string, explanation v1alpha1.TemplateSelection) bool {
	return slices.ContainsFunc(explanation.Candidates, func(c v1alpha1.TemplateCandidate) bool {
		return c.Template == name && c.Eligible
	})
}

// revision is the content of a template that counts for a record: the newest, or
// that which the record has as long as it is not its turn or the newest is not in
// order.
func (b *Blueprint) revision(t *v1alpha1.DeploymentTemplate, record *v1alpha1.DeploymentRecord) compilation {
	newest := b.templates.present(t)
	if record.Status.SelectedTemplate != t.Name {
		return newest
	}
	held := record.Status.TemplateHash
	if newest.template != nil {
		degraded := meta.IsStatusConditionTrue(record.Status.Conditions, v1alpha1.ConditionDegraded)
		key := record.Namespace + "/" + record.Name
		if rollout.Takes(key, held, newest.template.Hash, degraded, t.Status.Rollout) {
			return newest
		}
	}
	for i := range t.Status.Revisions {
		if t.Status.Revisions[i].Hash == held {
			return b.templates.revision(t.Name, &t.Status.Revisions[i])
		}
	}
	// Nobody knows what it was made from any more.
	return newest
}

// candidate is a template as the choice sees it.
func (in *inputs) candidate(t *v1alpha1.DeploymentTemplate, made compilation) selection.Candidate {
	if made.template == nil {
		return selection.Candidate{Name: t.Name, Spec: &t.Spec, Invalid: made.problem}
	}
	candidate := selection.Candidate{Name: t.Name, Spec: made.template.Spec}
	for _, kind := range made.template.Kinds() {
		if !kind.Optional && !in.kinds.Served(kind.GroupKind()) {
			candidate.Missing = append(candidate.Missing, kind.GroupKind())
		}
	}
	candidate.Matches, candidate.MatchError = made.template.Matches(render.Subject(in.record))
	return candidate
}
