// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm/dependency"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/wording"
)

// Reasons of the conditions of a Package.
const (
	// ReasonPublished: the package's classes can be deployed.
	ReasonPublished = "Published"
	// ReasonDisabled: the package takes no new deployments.
	ReasonDisabled = "Disabled"
	// ReasonDependenciesUnresolved: a dependency is missing or does not fit.
	ReasonDependenciesUnresolved = "DependenciesUnresolved"
	// ReasonTerminating: the package is being deleted.
	ReasonTerminating = "Terminating"
	// ReasonResolved: every dependency exists in a version that fits.
	ReasonResolved = "Resolved"
	// ReasonMissing: a dependency does not exist.
	ReasonMissing = "DependencyMissing"
	// ReasonUnsatisfied: a dependency has a version that does not fit.
	ReasonUnsatisfied = "DependencyUnsatisfied"
	// ReasonApplied: the package's own deployments are as the package says.
	ReasonApplied = "Applied"
	// ReasonConflict: a ClassDeployment of that name belongs to somebody else.
	ReasonConflict = "Conflict"
	// ReasonRefused: the API does not take a deployment as the package says it.
	ReasonRefused = "Refused"
	// ReasonWaiting: a deployment has to go before it can be made again.
	ReasonWaiting = "Waiting"
)

// listedDeployments bounds status.deployments: a package may have as many users as
// etcd holds, and is one object in it.
const listedDeployments = 100

// observation is what is known of the others that a package has to do with.
type observation struct {
	// users are the names of the deployments that use the package.
	users []string
	// dependencies are the packages that it depends on and that exist.
	dependencies map[string]*pmv1alpha1.Package
	// applied tells what became of the package's own deployments.
	applied applied
}

// nextStatus is the status of a package that is not being deleted.
func nextStatus(pkg *pmv1alpha1.Package, seen observation, now time.Time) pmv1alpha1.PackageStatus {
	next := statusBefore(pkg, seen.users)
	set := func(kind string, value metav1.ConditionStatus, reason, message string) {
		setCondition(pkg, &next, now, kind, value, reason, message)
	}

	reason, message := resolve(pkg, seen.dependencies)
	resolved := reason == ReasonResolved
	set(pmv1alpha1.PackageDependenciesResolved, conditionStatus(resolved), reason, message)

	switch {
	case pkg.Spec.Disabled:
		set(pmv1alpha1.PackageReady, metav1.ConditionFalse, ReasonDisabled, "the package is disabled and takes no new deployments")
	case !resolved:
		set(pmv1alpha1.PackageReady, metav1.ConditionFalse, ReasonDependenciesUnresolved, message)
	default:
		set(pmv1alpha1.PackageReady, metav1.ConditionTrue, ReasonPublished, "the classes of the package can be deployed")
	}

	hadSome := meta.FindStatusCondition(pkg.Status.Conditions, pmv1alpha1.PackageDeploymentsApplied) != nil
	if !seen.applied.unknown && (len(pkg.Spec.Deployments) > 0 || hadSome) {
		reason, message := seen.applied.verdict(len(pkg.Spec.Deployments))
		set(pmv1alpha1.PackageDeploymentsApplied, conditionStatus(reason == ReasonApplied), reason, message)
	}
	return next
}

// terminatingStatus is the status of a package that waits for the named
// deployments to be gone.
func terminatingStatus(pkg *pmv1alpha1.Package, left []string, now time.Time) pmv1alpha1.PackageStatus {
	next := statusBefore(pkg, left)
	message := "the package is being deleted"
	if len(left) > 0 {
		message = fmt.Sprintf("the package is being deleted and waits for %s to be undeployed: %s", wording.Count(len(left), "class deployment"), wording.First(next.Deployments, len(left)))
	}
	setCondition(pkg, &next, now, pmv1alpha1.PackageReady, metav1.ConditionFalse, ReasonTerminating, message)
	return next
}

// statusBefore is the present status with all that follows from the spec and the
// users alone. The dependents are kept: they are the API server's to write.
func statusBefore(pkg *pmv1alpha1.Package, users []string) pmv1alpha1.PackageStatus {
	var next pmv1alpha1.PackageStatus
	pkg.Status.DeepCopyInto(&next)
	next.ObservedGeneration = pkg.Generation
	next.ClassCount = int32(len(pkg.Spec.Classes))
	next.FunctionCount = int32(len(pkg.Spec.Functions))
	next.DeploymentCount = int32(len(users))
	next.Deployments = firstOf(users)
	return next
}

// firstOf are the first names, by name and not by how their deployments are doing:
// each write stores all of the package.
func firstOf(users []string) []string {
	sorted := slices.Sorted(slices.Values(users))
	return slices.Clone(sorted[:min(len(sorted), listedDeployments)])
}

func setCondition(pkg *pmv1alpha1.Package, status *pmv1alpha1.PackageStatus, now time.Time, kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: wording.Cut(message, wording.MessageRoom), ObservedGeneration: pkg.Generation,
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	})
}

// resolve compares the dependencies with what exists, and names everything that
// does not fit.
func resolve(pkg *pmv1alpha1.Package, existing map[string]*pmv1alpha1.Package) (reason, message string) {
	var missing, unsatisfied []string
	for _, wanted := range pkg.Spec.Dependencies {
		found := existing[wanted.Name]
		switch {
		case found == nil:
			missing = append(missing, fmt.Sprintf("package %q does not exist in namespace %q: create it", wanted.Name, pkg.Namespace))
		case !dependency.Accepts(wanted.Version, found.Spec.Version):
			unsatisfied = append(unsatisfied, fmt.Sprintf("package %q has version %q, which is not in the range %q: publish one that is or change the range",
				wanted.Name, found.Spec.Version, wanted.Version))
		}
	}
	problems := strings.Join(slices.Concat(missing, unsatisfied), "; ")
	switch {
	case len(missing) > 0:
		return ReasonMissing, problems
	case len(unsatisfied) > 0:
		return ReasonUnsatisfied, problems
	case len(pkg.Spec.Dependencies) == 0:
		return ReasonResolved, "the package depends on no other"
	default:
		return ReasonResolved, "every dependency exists in a version that fits"
	}
}

func conditionStatus(good bool) metav1.ConditionStatus {
	if good {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}
