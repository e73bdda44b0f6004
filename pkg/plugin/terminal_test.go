// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// What a developer writes into a package, and what a cluster reports, is shown to
// others. None of it may move their cursor, set their window's title or hide a line.
func TestNobodyWritesToTheTerminalOfOthers(t *testing.T) {
	const evil = "fine\x1b]0;owned\a\x1b[2J\rgone"
	p := pmv1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	p.Spec.Author, p.Spec.Tags = evil, []string{evil}
	p.Spec.Classes = []pmv1alpha1.ClassDefinition{{Key: evil}}
	p.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Message: evil}}
	d := makeDeployment("cart").ClassDeployment
	d.Status.Conditions = []metav1.Condition{{Type: pmv1alpha1.ClassDeploymentPlanned, Status: metav1.ConditionFalse, Message: evil}}
	d.Status.Units = []pmv1alpha1.DeploymentUnitStatus{{Cluster: "a", DeploymentID: "u", Planned: true, Message: evil, Functions: []pmv1alpha1.FunctionStatus{{Key: "f", URL: evil}}}}
	s := &snapshot{packages: []pmv1alpha1.Package{p}, deployments: []pmv1alpha1.ClassDeployment{d}}
	plan := &pmv1alpha1.ClassDeploymentPlan{Plan: pmv1alpha1.Plan{
		Problems: []pmv1alpha1.PlanProblem{{Reason: "NoCluster", Message: evil}},
		Units:    []pmv1alpha1.PlannedUnit{{Functions: []pmv1alpha1.PlannedFunction{{Key: "f", Image: evil}}}},
	}}
	o := &outcome{deployment: &d}
	o.tracker.observe(o.assess(), time.Now())
	for sentence, write := range map[string]func(*bytes.Buffer){
		"tables":    func(b *bytes.Buffer) { writeStatusTables(b, s, time.Now(), true, true) },
		"a tree":    func(b *bytes.Buffer) { writeTree(b, s) },
		"a plan":    func(b *bytes.Buffer) { writePlan(b, plan) },
		"progress":  func(b *bytes.Buffer) { b.WriteString(progressLine(o)) },
		"a failure": func(b *bytes.Buffer) { b.WriteString(explainOutcome(o)) },
		"an error":  func(b *bytes.Buffer) { PrintError(b, errors.New(evil)) },
		"a summary": func(b *bytes.Buffer) { _ = writeSummary(b, nil, []*outcome{o}, time.Second) },
	} {
		t.Run(sentence, func(t *testing.T) {
			var b bytes.Buffer
			write(&b)
			if !strings.Contains(b.String(), "fine^[") {
				t.Errorf("nothing of it is shown: %q", b.String())
			}
			if strings.ContainsAny(b.String(), "\x1b\r") {
				t.Errorf("it reaches the terminal: %q", b.String())
			}
		})
	}
}
