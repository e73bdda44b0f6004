// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// branch is a line of a tree with what hangs under it.
type branch struct {
	text     string
	branches []branch
}

// writeTree shows packages, the deployments of their classes, units, functions.
func writeTree(out io.Writer, s *snapshot) {
	var roots []branch
	shown := map[string]bool{}
	for _, p := range s.packages {
		text := "package " + p.Name
		if p.Spec.Version != "" {
			text += " " + p.Spec.Version
		}
		if p.Spec.Disabled {
			text += " (disabled)"
		}
		root := branch{text: text, branches: slices.Concat(conditionBranches(p.Status.Conditions), neighbourBranches(&p, s))}
		for _, class := range p.Spec.Classes {
			root.branches = append(root.branches, classBranch(class.Key, p.Name, s, shown))
		}
		roots = append(roots, root)
	}
	// Deployments of a package or a class that is not there.
	for i := range s.deployments {
		d := &s.deployments[i]
		if !shown[d.Name] {
			roots = append(roots, branch{
				text:     fmt.Sprintf("class %s of package %s (not found)", d.Spec.ClassKey, d.Spec.PackageName),
				branches: []branch{deploymentBranch(d)},
			})
		}
	}
	for _, root := range roots {
		fmt.Fprintln(out, printers.EscapeTerminal(root.text))
		writeBranches(out, root.branches, "")
	}
}

// neighbourBranches are the packages that a package depends on, and those that
// depend on it.
func neighbourBranches(p *pmv1alpha1.Package, s *snapshot) []branch {
	var out []branch
	for _, dependency := range p.Spec.Dependencies {
		text := "depends on package " + dependency.Name
		if dependency.Version != "" {
			text += " " + dependency.Version
		}
		switch found, known := s.versions[p.Namespace+"/"+dependency.Name]; {
		case !known:
			text += " (not found)"
		case found != "":
			text += " (is " + found + ")"
		}
		out = append(out, branch{text: text})
	}
	for _, dependent := range p.Status.Dependents {
		text := "needed by package " + dependent.Name
		if dependent.Version != "" {
			text += " in version " + dependent.Version
		}
		if len(dependent.Functions) > 0 {
			text += ", which binds " + strings.Join(dependent.Functions, ", ")
			if more := int(dependent.FunctionCount) - len(dependent.Functions); more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
		}
		out = append(out, branch{text: text})
	}
	if more := int(p.Status.DependentCount) - len(p.Status.Dependents); more > 0 {
		out = append(out, branch{text: fmt.Sprintf("needed by %d more", more)})
	}
	return out
}

func classBranch(key, packageName string, s *snapshot, shown map[string]bool) branch {
	b := branch{text: "class " + key}
	for i := range s.deployments {
		d := &s.deployments[i]
		if d.Spec.ClassKey == key && d.Spec.PackageName == packageName {
			shown[d.Name] = true
			b.branches = append(b.branches, deploymentBranch(d))
		}
	}
	return b
}

func deploymentBranch(d *pmv1alpha1.ClassDeployment) branch {
	b := branch{
		text:     fmt.Sprintf("deployment %s: %s", d.Name, Assess(d, 0)),
		branches: conditionBranches(d.Status.Conditions),
	}
	for _, unit := range d.Status.Units {
		text := fmt.Sprintf("unit %s on cluster %s", unit.DeploymentID, unit.Cluster)
		if unit.Environment != "" {
			text += ", environment " + unit.Environment
		}
		switch {
		case !unit.Planned:
			text += ": waits to be removed"
		case unit.Available:
			text += ": available"
		default:
			text += ": " + unitText(unit)
		}
		u := branch{text: text}
		for _, f := range unit.Functions {
			u.branches = append(u.branches, branch{text: strings.TrimSpace(fmt.Sprintf("function %s %d/%d ready %s", f.Key, f.ReadyReplicas, f.Replicas, f.URL))})
		}
		b.branches = append(b.branches, u)
	}
	return b
}

// conditionBranches lists the conditions with what they say.
func conditionBranches(conditions []metav1.Condition) []branch {
	var out []branch
	for _, c := range conditions {
		text := fmt.Sprintf("%s=%s", c.Type, c.Status)
		if c.Reason != "" {
			text += " " + c.Reason
		}
		if c.Message != "" {
			text += ": " + oneLine(c.Message)
		}
		out = append(out, branch{text: text})
	}
	return out
}

func writeBranches(out io.Writer, branches []branch, indent string) {
	for i, b := range branches {
		mark, inner := "├─ ", "│  "
		if i == len(branches)-1 {
			mark, inner = "└─ ", "   "
		}
		fmt.Fprintln(out, indent+mark+printers.EscapeTerminal(b.text))
		writeBranches(out, b.branches, indent+inner)
	}
}

func conditionWord(conditions []metav1.Condition, conditionType string) string {
	c := meta.FindStatusCondition(conditions, conditionType)
	if c == nil {
		return string(metav1.ConditionUnknown)
	}
	return string(c.Status)
}

func age(created metav1.Time, now time.Time) string {
	if created.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(created.Time))
}
