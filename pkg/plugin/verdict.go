// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/printers"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Verdict is what the state of a deployment means for somebody who waits for it.
type Verdict string

const (
	// VerdictWaiting means that the platform is at work.
	VerdictWaiting Verdict = "Waiting"
	// VerdictAvailable means that the deployment serves as it was last written.
	VerdictAvailable Verdict = "Available"
	// VerdictFailing means that waiting will not help as things are. A moment
	// later they may be different, so a wait gives up only when it persists.
	VerdictFailing Verdict = "Failing"
	// VerdictRemoved means that the deployment is gone or on its way out.
	VerdictRemoved Verdict = "Removed"
)

// Assessment is a deployment's state in the terms of a wait.
type Assessment struct {
	Verdict Verdict
	// Phase is the deployment's phase; Pending before there is one.
	Phase string
	// Units are the planned units, AvailableUnits those that serve.
	Units, AvailableUnits int
	// Replicas are the wanted ones of all functions, ReadyReplicas those that serve.
	Replicas, ReadyReplicas int32
	// WaitsFor says in words what is missing, or why it fails; empty when nothing is.
	WaitsFor string
}

// failure finds the pod states that only a change of the package or of the
// cluster can mend, in the messages that carry them.
var failure = regexp.MustCompile(`\b(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|CrashLoopBackOff|` +
	`CreateContainerConfigError|CreateContainerError|RunContainerError|Unschedulable|FailedCreate|QuotaExceeded|ProgressDeadlineExceeded)\b`)

// Assess judges a deployment; nil is one that does not exist. Its status counts
// only when it speaks of the given generation of its package or a later one.
func Assess(d *pmv1alpha1.ClassDeployment, packageGeneration int64) Assessment {
	if d == nil {
		return Assessment{Verdict: VerdictRemoved, Phase: "Removed"}
	}
	a := Assessment{Verdict: VerdictWaiting, Phase: string(d.Status.Phase)}
	if a.Phase == "" {
		a.Phase = string(pmv1alpha1.ClassDeploymentPending)
	}
	for _, unit := range d.Status.Units {
		if !unit.Planned {
			continue
		}
		a.Units++
		if unit.Available {
			a.AvailableUnits++
		}
		for _, f := range unit.Functions {
			a.Replicas += f.Replicas
			a.ReadyReplicas += f.ReadyReplicas
		}
	}
	switch {
	case d.DeletionTimestamp != nil:
		a.Verdict, a.WaitsFor = VerdictRemoved, waitsForRemoval(d)
	case d.Status.ObservedGeneration < d.Generation:
		a.WaitsFor = "the Package Manager to take up the change"
	case d.Status.PackageGeneration < packageGeneration:
		a.WaitsFor = "the Package Manager to take up the change of package " + d.Spec.PackageName
	case isCurrentlyTrue(d, pmv1alpha1.ClassDeploymentAvailable) && !isRollingOut(d):
		a.Verdict = VerdictAvailable
	default:
		a.WaitsFor = waitsFor(d)
		if d.Status.Phase == pmv1alpha1.ClassDeploymentFailed || failsForGood(d) {
			a.Verdict = VerdictFailing
		}
	}
	return a
}

// isCurrentlyTrue ignores a condition that speaks of an earlier generation.
func isCurrentlyTrue(d *pmv1alpha1.ClassDeployment, conditionType string) bool {
	c := meta.FindStatusCondition(d.Status.Conditions, conditionType)
	return c != nil && c.Status == metav1.ConditionTrue && (c.ObservedGeneration == 0 || c.ObservedGeneration >= d.Generation)
}

// reasonRemoving is the reason of Progressing while only units that left the plan
// change. They serve nobody, so nobody waits for them.
const reasonRemoving = "Removing"

// reasonTerminating is the reason of a package's Ready while it is being deleted.
const reasonTerminating = "Terminating"

// isRollingOut is true while the units that serve are still the old ones in part.
func isRollingOut(d *pmv1alpha1.ClassDeployment) bool {
	c := meta.FindStatusCondition(d.Status.Conditions, pmv1alpha1.ClassDeploymentProgressing)
	return c != nil && c.Status == metav1.ConditionTrue && c.Reason != reasonRemoving
}

// failsForGood looks at what the clusters say of units that are degraded.
func failsForGood(d *pmv1alpha1.ClassDeployment) bool {
	for _, unit := range d.Status.Units {
		if unit.Planned && !unit.Available && (unit.Degraded || unit.Condition == "Failed") && failure.MatchString(unit.Message) {
			return true
		}
	}
	degraded := meta.FindStatusCondition(d.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition)
	return degraded != nil && degraded.Status == metav1.ConditionTrue && failure.MatchString(degraded.Reason+" "+degraded.Message)
}

// waitsFor names the first step that is not done: the plan, the units' way to
// their clusters, a unit.
func waitsFor(d *pmv1alpha1.ClassDeployment) string {
	for _, step := range []string{pmv1alpha1.ClassDeploymentPlanned, pmv1alpha1.ClassDeploymentDispatched} {
		if c := meta.FindStatusCondition(d.Status.Conditions, step); c != nil && c.Status != metav1.ConditionTrue {
			return conditionText(*c)
		}
	}
	for _, unit := range d.Status.Units {
		if unit.Planned && !unit.Available {
			return "cluster " + unit.Cluster + ": " + unitText(unit)
		}
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition); c != nil && c.Status == metav1.ConditionTrue {
		return c.Reason + ": " + conditionText(*c)
	}
	for _, last := range []string{pmv1alpha1.ClassDeploymentProgressing, pmv1alpha1.ClassDeploymentAvailable} {
		if c := meta.FindStatusCondition(d.Status.Conditions, last); c != nil && c.Message != "" {
			return conditionText(*c)
		}
	}
	return "a plan"
}

func waitsForRemoval(d *pmv1alpha1.ClassDeployment) string {
	var clusters []string
	for _, unit := range d.Status.Units {
		clusters = append(clusters, fmt.Sprintf("%s (%s)", unit.Cluster, unit.DeploymentID))
	}
	if len(clusters) == 0 {
		return "its removal"
	}
	return "its removal from " + strings.Join(clusters, ", ")
}

func unitText(unit pmv1alpha1.DeploymentUnitStatus) string {
	switch {
	case unit.Message != "":
		// The callers name the cluster already.
		return strings.TrimPrefix(oneLine(unit.Message), "cluster "+unit.Cluster+": ")
	case unit.Phase != "":
		return unit.Phase
	case unit.Condition != "":
		return unit.Condition
	}
	return "no report yet"
}

func conditionText(c metav1.Condition) string {
	if c.Message == "" {
		return c.Type + " is " + string(c.Status) + ": " + c.Reason
	}
	return oneLine(c.Message)
}

// oneLine makes what others wrote safe to show in a line on a terminal.
func oneLine(text string) string {
	return printers.EscapeTerminal(strings.Join(strings.Fields(text), " "))
}

// String is the assessment in one line.
func (a Assessment) String() string {
	var b strings.Builder
	b.WriteString(a.Phase)
	if a.Units > 0 {
		fmt.Fprintf(&b, ", %d/%d units available", a.AvailableUnits, a.Units)
	}
	if a.Replicas > 0 {
		fmt.Fprintf(&b, ", %d/%d replicas ready", a.ReadyReplicas, a.Replicas)
	}
	switch {
	case a.WaitsFor == "":
	case a.Verdict == VerdictFailing:
		b.WriteString(", because: " + a.WaitsFor)
	default:
		b.WriteString(", waits for: " + a.WaitsFor)
	}
	return b.String()
}

// failureWindow is how long a failure must persist before a wait gives up: a
// package may arrive after its deployment, and an image a moment after both.
const failureWindow = 10 * time.Second

// tracker follows one deployment through a wait.
type tracker struct {
	last  Assessment
	since time.Time
}

// observe takes in a new state. It tells whether the line to show changed, and
// whether the wait for this deployment is over.
func (t *tracker) observe(a Assessment, now time.Time) (changed, over bool) {
	changed = a.String() != t.last.String()
	if a.Verdict != t.last.Verdict {
		t.since = now
	}
	t.last = a
	switch a.Verdict {
	case VerdictFailing:
		return changed, now.Sub(t.since) >= failureWindow
	case VerdictAvailable, VerdictRemoved:
		return changed, true
	case VerdictWaiting:
	}
	return changed, false
}

// removalText says what the removal of an object waits for.
func removalText(u *unstructured.Unstructured) string {
	if u.GetKind() == "ClassDeployment" {
		if d, err := typed[pmv1alpha1.ClassDeployment](u); err == nil {
			return "waits for " + waitsForRemoval(d)
		}
	}
	if u.GetKind() == "Package" {
		if p, err := typed[pmv1alpha1.Package](u); err == nil {
			if ready := meta.FindStatusCondition(p.Status.Conditions, pmv1alpha1.PackageReady); ready != nil && ready.Reason == reasonTerminating {
				return oneLine(ready.Message)
			}
		}
	}
	if finalizers := u.GetFinalizers(); len(finalizers) > 0 {
		return "waits for its finalizers " + strings.Join(finalizers, ", ")
	}
	return "waits for its removal"
}
