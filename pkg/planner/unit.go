// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/api/resource"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	// maxLabel is the greatest length of a DNS-1123 label.
	maxLabel = 63
	// idHashDigits is how much of the hash an id carries: 40 bits, so that two of
	// a million deployments share one with a probability below one half.
	idHashDigits = 10
)

// UnitID names the unit of a deployment in an environment: a DNS-1123 label that
// depends on these three alone, so that the same deployment always meets its own
// record again. The readable part is cut before the hash is added, never the
// hash.
func UnitID(namespace, name, environment string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + name + "/" + environment))
	suffix := hex.EncodeToString(sum[:])[:idHashDigits]
	readable := strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	readable = strings.TrimLeft(readable, "-")
	// A label that starts with a digit is no name of a Service.
	if readable == "" || readable[0] < 'a' {
		readable = "u-" + readable
	}
	readable = strings.TrimRight(readable[:min(len(readable), maxLabel-1-idHashDigits)], "-")
	return readable + "-" + suffix
}

// unitContent is the part of a deployment in one environment. It does not depend
// on the cluster, so moving a unit does not change its content.
func unitContent(
	deployment *pmv1alpha1.ClassDeployment, pkg *pmv1alpha1.Package, containers []*deploymentv1.FunctionContainer,
	size pmv1alpha1.ComputedRequirements, environment string,
) (*deploymentv1.DeploymentUnit, error) {
	nfr := deployment.Spec.NFR
	unit := &deploymentv1.DeploymentUnit{
		Id:              UnitID(deployment.Namespace, deployment.Name, environment),
		Namespace:       deployment.Namespace,
		ClassDeployment: deployment.Name,
		PackageName:     pkg.Name,
		PackageVersion:  pkg.Spec.Version,
		ClassKey:        deployment.Spec.ClassKey,
		Environment:     environment,
		NfrRequirements: &deploymentv1.NfrRequirements{
			MinThroughputRps:     nfr.MinThroughputRPS,
			MaxLatencyMs:         nfr.MaxLatencyMs,
			Availability:         nfr.Availability,
			CpuUtilizationTarget: nfr.CPUUtilizationTarget,
		},
		ResourceAllocation: &deploymentv1.ResourceAllocation{
			ReplicationFactor: size.ReplicationFactor,
			MinReplicas:       size.MinReplicas,
			MaxReplicas:       size.MaxReplicas,
		},
		FunctionContainers: containers,
		Template:           deployment.Spec.Templates[environment],
	}
	hash, err := contentHash(unit)
	if err != nil {
		return nil, err
	}
	unit.Hash = hash
	return unit, nil
}

// contentHash identifies the content of a unit without its hash field. Should
// another version of the encoder give another hash, units are sent once more,
// which changes nothing on the clusters.
func contentHash(unit *deploymentv1.DeploymentUnit) (string, error) {
	content := proto.Clone(unit).(*deploymentv1.DeploymentUnit)
	content.Hash = ""
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encoding unit %s: %w", unit.GetId(), err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16]), nil
}

// functionContainers are the workloads of a class: one for each Custom function
// that it binds, however many methods the function implements. Functions of
// other types have none.
func functionContainers(class *pmv1alpha1.ClassDefinition, pkg *pmv1alpha1.Package, size pmv1alpha1.ComputedRequirements) ([]*deploymentv1.FunctionContainer, Problems) {
	functions := map[string]*pmv1alpha1.FunctionDefinition{}
	for i := range pkg.Spec.Functions {
		functions[pkg.Spec.Functions[i].Key] = &pkg.Spec.Functions[i]
	}
	bound := map[string]string{}
	for _, binding := range class.FunctionBindings {
		if first, ok := bound[binding.FunctionKey]; !ok || binding.Name < first {
			bound[binding.FunctionKey] = binding.Name
		}
	}
	var containers []*deploymentv1.FunctionContainer
	var problems Problems
	for _, key := range slices.Sorted(maps.Keys(bound)) {
		function := functions[key]
		switch {
		case function == nil:
			problems = append(problems, Problem{
				Type: FunctionNotFound,
				Message: fmt.Sprintf("class %q binds %q to function %q, which package %q does not define: add the function or remove the binding",
					class.Key, bound[key], key, pkg.Name),
			})
		case function.Type != pmv1alpha1.FunctionCustom && function.Type != "":
		case function.Provision == nil || function.Provision.Image == "":
			problems = append(problems, Problem{
				Type:    FunctionIncomplete,
				Message: fmt.Sprintf("function %q of package %q has no provision.image: a Custom function needs one", key, pkg.Name),
			})
		default:
			containers = append(containers, functionContainer(function, size))
		}
	}
	return containers, problems
}

func functionContainer(function *pmv1alpha1.FunctionDefinition, size pmv1alpha1.ComputedRequirements) *deploymentv1.FunctionContainer {
	provision := function.Provision
	port := provision.Port
	if port == 0 {
		port = pmv1alpha1.DefaultFunctionPort
	}
	least, greatest := functionBounds(provision, size)
	return &deploymentv1.FunctionContainer{
		FunctionKey:      function.Key,
		Image:            provision.Image,
		Port:             port,
		NeedHttp2:        provision.NeedHTTP2,
		MaxConcurrency:   provision.MaxConcurrency,
		ResourceRequests: quantities(provision.Resources.Requests),
		ResourceLimits:   quantities(provision.Resources.Limits),
		Env:              maps.Clone(function.Config),
		MinReplicas:      least,
		MaxReplicas:      greatest,
		HealthCheck:      healthCheck(provision.Probes),
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
