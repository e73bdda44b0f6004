// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/wording"
)

const (
	// DefaultEnvironment is where a deployment that names no environment runs.
	DefaultEnvironment = "default"
	// MaxUnits is the number of units that a deployment can have. Each is listed in its
	// status until it is gone, and a status is part of one object in etcd.
	MaxUnits = 512
)

// Input is all that a plan depends on. The planner changes none of it.
type Input struct {
	// Deployment is what is asked for. Its status tells where units run already.
	Deployment *pmv1alpha1.ClassDeployment
	// Package defines the class; nil when there is none of that name.
	Package *pmv1alpha1.Package
	// Dependencies are the packages that Package depends on, by name. One that is
	// not here does not exist.
	Dependencies map[string]*pmv1alpha1.Package
	// Clusters are all clusters there are.
	Clusters []*pmv1alpha1.Cluster
}

// NewInput collects what the plan of a deployment depends on. find returns a package
// of the deployment's namespace, nil when there is none of that name.
func NewInput(
	deployment *pmv1alpha1.ClassDeployment, clusters []*pmv1alpha1.Cluster, find func(name string) (*pmv1alpha1.Package, error),
) (Input, error) {
	in := Input{Deployment: deployment, Dependencies: map[string]*pmv1alpha1.Package{}, Clusters: clusters}
	var err error
	if in.Package, err = find(deployment.Spec.PackageName); err != nil || in.Package == nil {
		return in, err
	}
	for _, dependency := range in.Package.Spec.Dependencies {
		found, err := find(dependency.Name)
		if err != nil {
			return in, err
		}
		if found != nil {
			in.Dependencies[dependency.Name] = found
		}
	}
	return in, nil
}

// Unit is one part of a plan: the deployment in one environment of one cluster.
type Unit struct {
	// Cluster that the unit is to run on.
	Cluster string
	// Content is what the cluster gets, its hash included.
	Content *deploymentv1.DeploymentUnit
}

// Plan is what is to run where.
type Plan struct {
	// PackageGeneration is the generation of the package that was planned with; 0
	// when there is none.
	PackageGeneration int64
	// Requirements are the sizes derived from the requirements.
	Requirements pmv1alpha1.ComputedRequirements
	// Units to run, ordered by environment and cluster.
	Units []Unit
	// Halted is true when nothing may change at all: units that run stay as they
	// are, and none is added or removed. Units is empty then.
	Halted bool
	// Problems are all that kept the plan from being complete.
	Problems Problems
	// Availability tells how the plan meets the required availability.
	Availability Availability
}

// Availability compares what is required with what the chosen clusters give.
type Availability struct {
	// Required is the requirement as it was written; empty without one.
	Required string
	// Achieved is the probability that a majority of the environments is up, a
	// decimal; empty while unknown.
	Achieved string
	// Met is Unknown while Achieved is.
	Met metav1.ConditionStatus
	// Message explains Met.
	Message string
}

// Make plans a deployment.
//
// Something missing or wrong in the package, or a requirement that cannot be
// read, halts the plan. An environment without a place is a problem of its own
// and leaves the others alone. Something disabled keeps what runs and takes no
// new unit.
func Make(in Input) (Plan, error) {
	spec := &in.Deployment.Spec
	var plan Plan
	if in.Package != nil {
		plan.PackageGeneration = in.Package.Generation
	}
	required, problem := requiredAvailability(spec)
	if problem != nil {
		return halt(plan, *problem), nil
	}
	plan.Requirements = requirements(spec, required)

	class, problem := findClass(in)
	if problem != nil {
		return halt(plan, *problem), nil
	}
	functions, problems := boundFunctions(class, in)
	if len(problems) > 0 {
		return halt(plan, problems...), nil
	}
	containers := functionContainers(functions, plan.Requirements, pinned(spec.Replicas))
	selector, problem := clusterSelector(spec.ClusterSelector)
	if problem != nil {
		return halt(plan, *problem), nil
	}

	placer := placer{
		clusters: slices.SortedFunc(slices.Values(in.Clusters), func(a, b *pmv1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) }),
		named:    spec.TargetClusters,
		selector: selector,
		placed:   placedUnits(in.Deployment),
		frozen:   frozen(in.Package, class, functions),
	}
	plan.Problems = placer.missing()
	placement := map[string][]string{}
	for _, environment := range environments(spec) {
		clusters, problems := placer.place(environment)
		plan.Problems = append(plan.Problems, problems...)
		placement[environment] = clusters
		content, err := unitContent(in.Deployment, in.Package, class, containers, plan.Requirements, environment)
		if err != nil {
			return Plan{}, err
		}
		for _, cluster := range clusters {
			plan.Units = append(plan.Units, Unit{Cluster: cluster, Content: content})
		}
	}
	if len(plan.Units) > MaxUnits {
		return halt(plan, Problem{Type: TooManyUnits, Message: fmt.Sprintf(
			"%d environments on the clusters that host them are %d units, and a deployment has at most %d: name fewer in spec.targetEnvironments or spec.targetClusters, or make several deployments",
			len(placement), len(plan.Units), MaxUnits)}), nil
	}
	plan.Problems.sort()
	plan.Availability = compareAvailability(spec.NFR.Availability, required, placement, in.Clusters)
	if refused(spec, required) && plan.Availability.Met != metav1.ConditionTrue {
		return halt(plan, Problem{
			Type:    AvailabilityUnreachable,
			Message: plan.Availability.Message + "; nothing changes because spec.placement.onUnreachable is Refuse",
		}), nil
	}
	return plan, nil
}

func halt(plan Plan, problems ...Problem) Plan {
	plan.Halted = true
	plan.Units = nil
	plan.Problems = append(plan.Problems, problems...)
	plan.Problems.sort()
	return plan
}

func refused(spec *pmv1alpha1.ClassDeploymentSpec, required *big.Rat) bool {
	return required != nil && spec.Placement != nil && spec.Placement.OnUnreachable == pmv1alpha1.UnreachableRefuse
}

// findClass returns the class, or the problem that there is none.
func findClass(in Input) (*pmv1alpha1.ClassDefinition, *Problem) {
	spec := &in.Deployment.Spec
	if in.Package == nil {
		return nil, &Problem{
			Type:    PackageNotFound,
			Message: fmt.Sprintf("spec.packageName: package %q does not exist in namespace %q: create it", spec.PackageName, in.Deployment.Namespace),
		}
	}
	index := slices.IndexFunc(in.Package.Spec.Classes, func(c pmv1alpha1.ClassDefinition) bool { return c.Key == spec.ClassKey })
	if index < 0 {
		return nil, &Problem{
			Type:    ClassNotFound,
			Message: fmt.Sprintf("spec.classKey: package %q has no class %q: it has %s", in.Package.Name, spec.ClassKey, classKeys(in.Package)),
		}
	}
	return &in.Package.Spec.Classes[index], nil
}

// frozen tells why the class takes no new units; nil when it does.
func frozen(pkg *pmv1alpha1.Package, class *pmv1alpha1.ClassDefinition, functions []boundFunction) *Problem {
	switch {
	case pkg.DeletionTimestamp != nil:
		return &Problem{Type: PackageTerminating, Message: fmt.Sprintf("package %q is being deleted and takes no new units: publish it again once it is gone", pkg.Name)}
	case pkg.Spec.Disabled:
		return &Problem{Type: PackageDisabled, Message: fmt.Sprintf("package %q is disabled and takes no new units: set its spec.disabled to false", pkg.Name)}
	case class.Disabled:
		return &Problem{Type: ClassDisabled, Message: fmt.Sprintf("class %q of package %q is disabled and takes no new units: set its disabled to false", class.Key, pkg.Name)}
	}
	for _, bound := range functions {
		switch {
		case bound.pkg.Spec.Disabled:
			return &Problem{Type: PackageDisabled, Message: fmt.Sprintf(
				"package %q, whose function %q class %q binds, is disabled and takes no new units: set its spec.disabled to false", bound.pkg.Name, bound.Key, class.Key)}
		case bound.Disabled:
			return &Problem{Type: FunctionDisabled, Message: fmt.Sprintf(
				"function %q of package %q is disabled, and class %q that binds it takes no new units: set its disabled to false", bound.Key, bound.pkg.Name, class.Key)}
		}
	}
	return nil
}

func classKeys(pkg *pmv1alpha1.Package) string {
	if len(pkg.Spec.Classes) == 0 {
		return "none"
	}
	keys := make([]string, 0, len(pkg.Spec.Classes))
	for _, class := range pkg.Spec.Classes {
		keys = append(keys, class.Key)
	}
	slices.Sort(keys)
	return wording.Names(keys)
}

func requiredAvailability(spec *pmv1alpha1.ClassDeploymentSpec) (*big.Rat, *Problem) {
	required, err := parseAvailability("spec.nfr.availability", spec.NFR.Availability)
	if err != nil {
		return nil, &Problem{Type: InvalidRequirement, Message: err.Error()}
	}
	return required, nil
}

func clusterSelector(selector *metav1.LabelSelector) (labels.Selector, *Problem) {
	if selector == nil {
		return labels.Everything(), nil
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, &Problem{Type: InvalidRequirement, Message: "spec.clusterSelector: " + err.Error()}
	}
	return parsed, nil
}

func environments(spec *pmv1alpha1.ClassDeploymentSpec) []string {
	if len(spec.TargetEnvironments) == 0 {
		return []string{DefaultEnvironment}
	}
	return slices.Compact(slices.Sorted(slices.Values(spec.TargetEnvironments)))
}

// placedUnits are the clusters that run a planned unit, by environment.
func placedUnits(deployment *pmv1alpha1.ClassDeployment) map[string][]string {
	placed := map[string][]string{}
	for _, unit := range deployment.Status.Units {
		if unit.Planned {
			placed[unit.Environment] = append(placed[unit.Environment], unit.Cluster)
		}
	}
	return placed
}

func compareAvailability(written string, required *big.Rat, placement map[string][]string, clusters []*pmv1alpha1.Cluster) Availability {
	reported := make(map[string]*big.Rat, len(clusters))
	for _, cluster := range clusters {
		// A report that cannot be read is as good as none.
		if value, err := parseAvailability("status.availability", cluster.Status.Availability); err == nil {
			reported[cluster.Name] = value
		}
	}
	got := achievedAvailability(placement, reported)
	result := Availability{Required: written, Achieved: formatAvailability(got.probability)}
	switch {
	case got.probability == nil:
		result.Met = metav1.ConditionUnknown
		result.Message = "the achieved availability is unknown: " + got.unknown
	case required == nil:
		result.Met = metav1.ConditionTrue
		result.Message = "no availability is required"
	case got.probability.Cmp(required) >= 0:
		result.Met = metav1.ConditionTrue
		result.Message = fmt.Sprintf("the chosen clusters achieve %s of the required %s", result.Achieved, written)
	default:
		result.Met = metav1.ConditionFalse
		result.Message = fmt.Sprintf("the chosen clusters achieve %s, which is below the required %s: add environments or more available clusters", result.Achieved, written)
	}
	return result
}
