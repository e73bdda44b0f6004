// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/pm/dependency"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// boundFunction is a function that a class binds, and the package that defines it.
type boundFunction struct {
	*pmv1alpha1.FunctionDefinition
	pkg *pmv1alpha1.Package
	// bound is the key as the class writes it, which is unique among its bindings:
	// two dependencies may each have a function of one name.
	bound string
}

// boundFunctions are the functions that a class binds, each once, however many
// methods it implements, ordered by the key that the class binds it by.
func boundFunctions(class *pmv1alpha1.ClassDefinition, in Input) ([]boundFunction, Problems) {
	methods := map[string]string{}
	for _, binding := range class.FunctionBindings {
		if first, ok := methods[binding.FunctionKey]; !ok || binding.Name < first {
			methods[binding.FunctionKey] = binding.Name
		}
	}
	var functions []boundFunction
	var problems Problems
	for _, key := range slices.Sorted(maps.Keys(methods)) {
		function, problem := findFunction(in, key)
		if problem == nil && isCustom(function) && (function.Provision == nil || function.Provision.Image == "") {
			problem = &Problem{
				Type:    FunctionIncomplete,
				Message: fmt.Sprintf("function %q of package %q has no provision.image: a Custom function needs one", function.Key, function.pkg.Name),
			}
		} else if problem != nil {
			problem.Message = fmt.Sprintf("class %q binds %q to function %q, %s", class.Key, methods[key], key, problem.Message)
		}
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		functions = append(functions, function)
	}
	return functions, problems
}

// findFunction finds a function in the package itself or, by the key
// <package>.<function>, in one that it depends on. The problem's message goes on
// from the name of the function.
func findFunction(in Input, key string) (boundFunction, *Problem) {
	if function := functionOf(in.Package, key); function != nil {
		return boundFunction{function, in.Package, key}, nil
	}
	name, inner, ok := dependency.SplitFunctionKey(key)
	declared := slices.IndexFunc(in.Package.Spec.Dependencies, func(d pmv1alpha1.PackageDependency) bool { return d.Name == name })
	if !ok || declared < 0 {
		return boundFunction{}, &Problem{
			Type:    FunctionNotFound,
			Message: fmt.Sprintf("which package %q does not define: add the function or remove the binding", in.Package.Name),
		}
	}
	wanted, pkg := in.Package.Spec.Dependencies[declared], in.Dependencies[name]
	switch {
	case pkg == nil:
		return boundFunction{}, &Problem{
			Type:    DependencyNotFound,
			Message: fmt.Sprintf("but package %q does not exist in namespace %q: create it", name, in.Deployment.Namespace),
		}
	case !dependency.Accepts(wanted.Version, pkg.Spec.Version):
		return boundFunction{}, &Problem{
			Type: DependencyUnsatisfied,
			Message: fmt.Sprintf("but package %q has version %q, which is not in the range %q of the dependency: publish one that is or change the range",
				name, pkg.Spec.Version, wanted.Version),
		}
	}
	function := functionOf(pkg, inner)
	if function == nil {
		return boundFunction{}, &Problem{
			Type:    FunctionNotFound,
			Message: fmt.Sprintf("but package %q defines no function %q: add the function there or remove the binding", name, inner),
		}
	}
	return boundFunction{function, pkg, key}, nil
}

func functionOf(pkg *pmv1alpha1.Package, key string) *pmv1alpha1.FunctionDefinition {
	index := slices.IndexFunc(pkg.Spec.Functions, func(f pmv1alpha1.FunctionDefinition) bool { return f.Key == key })
	if index < 0 {
		return nil
	}
	return &pkg.Spec.Functions[index]
}

func isCustom(function boundFunction) bool {
	return function.Type == pmv1alpha1.FunctionCustom || function.Type == ""
}

// functionContainers are the workloads of a class: one for each Custom function
// that it binds. Functions of other types have none.
func functionContainers(functions []boundFunction, size pmv1alpha1.ComputedRequirements, pin *int32) []*deploymentv1.FunctionContainer {
	var containers []*deploymentv1.FunctionContainer
	for _, function := range functions {
		if isCustom(function) {
			containers = append(containers, functionContainer(function, size, pin))
		}
	}
	return containers
}

func functionContainer(function boundFunction, size pmv1alpha1.ComputedRequirements, pin *int32) *deploymentv1.FunctionContainer {
	provision := function.Provision
	port := provision.Port
	if port == 0 {
		port = pmv1alpha1.DefaultFunctionPort
	}
	least, greatest := functionBounds(provision, size)
	if pin != nil {
		least, greatest = pin, pin
	}
	return &deploymentv1.FunctionContainer{
		FunctionKey:      function.bound,
		Image:            provision.Image,
		Port:             port,
		NeedHttp2:        provision.NeedHTTP2,
		MaxConcurrency:   provision.MaxConcurrency,
		ResourceRequests: quantities(provision.Resources.Requests),
		ResourceLimits:   quantities(provision.Resources.Limits),
		Env:              maps.Clone(function.Config),
		SecretEnv:        secretVariables(function.SecretConfig),
		MinReplicas:      least,
		MaxReplicas:      greatest,
		HealthCheck:      healthCheck(provision.Probes),
		VolumeMounts:     volumeMounts(provision.VolumeMounts),
	}
}

func quantities(values map[string]resource.Quantity) map[string]string {
	if len(values) == 0 {
		return nil
	}
	written := make(map[string]string, len(values))
	for name, quantity := range values {
		written[name] = quantity.String()
	}
	return written
}

func healthCheck(probes *pmv1alpha1.FunctionProbes) *deploymentv1.HealthCheck {
	if probes == nil {
		return nil
	}
	return &deploymentv1.HealthCheck{
		Startup:   httpProbe(probes.Startup),
		Readiness: httpProbe(probes.Readiness),
		Liveness:  httpProbe(probes.Liveness),
	}
}

func httpProbe(probe *pmv1alpha1.HTTPProbe) *deploymentv1.HttpProbe {
	if probe == nil {
		return nil
	}
	return &deploymentv1.HttpProbe{
		Path:                probe.Path,
		InitialDelaySeconds: probe.InitialDelaySeconds,
		PeriodSeconds:       probe.PeriodSeconds,
		TimeoutSeconds:      probe.TimeoutSeconds,
		FailureThreshold:    probe.FailureThreshold,
	}
}

// volumeMounts are ordered by name, so that the order in a package decides nothing.
func volumeMounts(mounts []pmv1alpha1.VolumeMount) []*deploymentv1.VolumeMount {
	messages := make([]*deploymentv1.VolumeMount, 0, len(mounts))
	for i := range mounts {
		messages = append(messages, volumeMount(&mounts[i]))
	}
	slices.SortFunc(messages, func(a, b *deploymentv1.VolumeMount) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return messages
}

func volumeMount(mount *pmv1alpha1.VolumeMount) *deploymentv1.VolumeMount {
	message := &deploymentv1.VolumeMount{Name: mount.Name, MountPath: mount.MountPath, SubPath: mount.SubPath, ReadOnly: mount.ReadOnly}
	object := func(source *pmv1alpha1.ObjectVolume) *deploymentv1.ObjectVolume {
		return &deploymentv1.ObjectVolume{Name: source.Name, Optional: source.Optional}
	}
	switch {
	case mount.ConfigMap != nil:
		message.Source = &deploymentv1.VolumeMount_ConfigMap{ConfigMap: object(mount.ConfigMap)}
	case mount.Secret != nil:
		message.Source = &deploymentv1.VolumeMount_Secret{Secret: object(mount.Secret)}
	case mount.PersistentVolumeClaim != nil:
		message.Source = &deploymentv1.VolumeMount_PersistentVolumeClaim{
			PersistentVolumeClaim: &deploymentv1.ClaimVolume{ClaimName: mount.PersistentVolumeClaim.ClaimName},
		}
	case mount.EmptyDir != nil:
		source := &deploymentv1.EmptyVolume{Medium: string(mount.EmptyDir.Medium)}
		if limit := mount.EmptyDir.SizeLimit; limit != nil {
			source.SizeLimit = limit.String()
		}
		message.Source = &deploymentv1.VolumeMount_EmptyDir{EmptyDir: source}
	}
	return message
}
