// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

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
	deployment *pmv1alpha1.ClassDeployment, pkg *pmv1alpha1.Package, class *pmv1alpha1.ClassDefinition,
	containers []*deploymentv1.FunctionContainer, size pmv1alpha1.ComputedRequirements, environment string,
) (*deploymentv1.DeploymentUnit, error) {
	spec := &deployment.Spec
	nfr := spec.NFR
	unit := &deploymentv1.DeploymentUnit{
		Id:              UnitID(deployment.Namespace, deployment.Name, environment),
		Namespace:       deployment.Namespace,
		ClassDeployment: deployment.Name,
		PackageName:     pkg.Name,
		PackageVersion:  pkg.Spec.Version,
		ClassKey:        spec.ClassKey,
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
		Template:           spec.Templates[environment],
		State:              classState(class),
		Bindings:           methodBindings(class),
		Odgm:               odgmSettings(class, spec.ODGM),
		Telemetry:          telemetrySettings(spec.Telemetry),
		Enforcement:        enforcementSettings(spec.Enforcement),
		DeletionPolicy:     deletionPolicy(spec.DeletionPolicy),
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
//
// The package's version is left out: a version counts up with every change of a
// package, also one of another class, and must not by itself have every unit of
// the package sent again. The version goes to the clusters with the next content.
func contentHash(unit *deploymentv1.DeploymentUnit) (string, error) {
	content := proto.Clone(unit).(*deploymentv1.DeploymentUnit)
	content.Hash = ""
	content.PackageVersion = ""
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encoding unit %s: %w", unit.GetId(), err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16]), nil
}
