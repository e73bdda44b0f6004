// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/rollout"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// A revision can be in order by itself and fail for the records that it is for, or
// not fit those that pin it.
func TestTemplateThatFailsForARecordReachesNoOther(t *testing.T) {
	fails := templateSpec(t, "second", "${ functions[9].replicas }")
	unfit := templateSpec(t, "second", 2)
	unfit.SelectionCriteria.When = "record.name == 'another'"
	for name, second := range map[string]v1alpha1.DeploymentTemplateSpec{"an expression fails": fails, "it does not fit": unfit} {
		t.Run(name, func(t *testing.T) { stops(t, second) })
	}
}

// stops holds that a revision which its first record cannot run with reaches no
// other, and that a correction does.
func stops(t *testing.T, second v1alpha1.DeploymentTemplateSpec) {
	t.Helper()
	const records = 3
	c := newClient(t)
	p := startProgram(t, inBatchesOf(1))
	namespace := newNamespace(t, c)
	template := newTemplate(t, c, "first", 2)
	var ids []string
	for i := range records {
		unit := newUnit(namespace, pinned(template.Name), func(u *deploymentv1.DeploymentUnit) { u.Id = fmt.Sprintf("%s-%d", namespace, i) })
		ids = append(ids, unit.GetId())
		p.deploy(t, unit)
	}
	for _, id := range ids {
		p.waitFor(t, id, "the unit runs", running)
	}
	waitForTemplate(t, c, template, "counts its records", rolledOut(records))

	changeTemplate(t, c, template, second)
	waitForTemplate(t, c, template, "has stopped", func(s *v1alpha1.DeploymentTemplateStatus) bool {
		condition := meta.FindStatusCondition(s.Conditions, v1alpha1.TemplateRolledOut)
		return condition != nil && condition.Reason == rollout.ReasonStopped && len(s.Rollout.Failed) == 1
	})
	counts, err := marks(t.Context(), c, namespace)
	if err != nil || counts["first"] != records {
		t.Errorf("Deployments by revision are %v (%v), want what ran to run on", counts, err)
	}

	changeTemplate(t, c, template, templateSpec(t, "third", 3))
	waitForTemplate(t, c, template, "has reached all records after it was corrected", rolledOut(records))
	for _, id := range ids {
		p.waitFor(t, id, "the unit runs with the corrected template", running)
	}
	if counts, err := marks(t.Context(), c, namespace); err != nil || counts["third"] != records {
		t.Errorf("Deployments by revision are %v (%v), want all of the third", counts, err)
	}
}
