// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

func validClassDeployment() *pm.ClassDeployment {
	return &pm.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "cart", Namespace: "default", Generation: 2},
		Spec: pm.ClassDeploymentSpec{
			PackageName: "shop", ClassKey: "shop.Cart",
			TargetEnvironments: []string{"edge", "cloud"}, TargetClusters: []string{"eu-1"},
			ClusterSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}},
			Placement:       &pm.Placement{OnUnreachable: pm.UnreachableRefuse},
			NFR: pm.NFRRequirements{
				MinThroughputRPS: ptr.To[int64](5_000_000_000 / 10), MaxLatencyMs: ptr.To[int64](50),
				Availability: "0.999", CPUUtilizationTarget: ptr.To[int32](70),
			},
			Replicas:    &pm.ReplicaBounds{Min: ptr.To[int32](1), Max: ptr.To[int32](3)},
			Enforcement: &pm.Enforcement{Mode: pm.EnforcementBasic, Dimensions: []string{"throughput", "cpu"}},
			Templates:   map[string]string{"edge": "job.v2"},
			ODGM: &pm.ODGMSpec{
				Collections: []string{"shop.Cart"}, PartitionCount: ptr.To[int32](8), ReplicaCount: ptr.To[int32](3), ShardType: "raft", ZenohMode: "peer",
			},
			Telemetry:      &pm.TelemetrySpec{SamplingRate: "0.1"},
			DeletionPolicy: pm.DeletionRetain,
		},
	}
}

func TestValidateClassDeployment(t *testing.T) {
	tests := map[string]struct {
		change func(*pm.ClassDeploymentSpec)
		want   []string
	}{
		"a complete deployment is accepted": {change: func(*pm.ClassDeploymentSpec) {}},
		"a package and a class are enough": {change: func(s *pm.ClassDeploymentSpec) {
			*s = pm.ClassDeploymentSpec{PackageName: "shop", ClassKey: "Cart", DeletionPolicy: pm.DeletionDelete}
		}},
		"availability 1 is accepted": {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "1.0" }},
		"availability 0 is accepted": {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "0" }},
		"the default environment takes a template": {change: func(s *pm.ClassDeploymentSpec) {
			s.TargetEnvironments, s.Templates = nil, map[string]string{"default": "job"}
		}},
		"the package is required":                 {change: func(s *pm.ClassDeploymentSpec) { s.PackageName = "" }, want: []string{required + "spec.packageName"}},
		"the class is required":                   {change: func(s *pm.ClassDeploymentSpec) { s.ClassKey = "" }, want: []string{required + "spec.classKey"}},
		"an environment with capitals is refused": {change: func(s *pm.ClassDeploymentSpec) { s.TargetEnvironments[1] = "Cloud" }, want: []string{invalid + "spec.targetEnvironments[1]"}},
		"the same environment twice is refused":   {change: func(s *pm.ClassDeploymentSpec) { s.TargetEnvironments[1] = "edge" }, want: []string{duplicate + "spec.targetEnvironments[1]"}},
		"a cluster without a name is refused":     {change: func(s *pm.ClassDeploymentSpec) { s.TargetClusters[0] = "" }, want: []string{invalid + "spec.targetClusters[0]"}},
		"a broken label is refused":               {change: func(s *pm.ClassDeploymentSpec) { s.ClusterSelector.MatchLabels["tier"] = "a b" }, want: []string{invalid + "spec.clusterSelector.matchLabels"}},
		"an unknown policy is refused":            {change: func(s *pm.ClassDeploymentSpec) { s.Placement.OnUnreachable = "Hope" }, want: []string{unsupported + "spec.placement.onUnreachable"}},
		"a negative throughput is refused":        {change: func(s *pm.ClassDeploymentSpec) { s.NFR.MinThroughputRPS = ptr.To[int64](-1) }, want: []string{invalid + "spec.nfr.minThroughputRPS"}},
		"an absurd throughput is refused":         {change: func(s *pm.ClassDeploymentSpec) { s.NFR.MinThroughputRPS = ptr.To[int64](1 << 40) }, want: []string{invalid + "spec.nfr.minThroughputRPS"}},
		"no latency at all is refused":            {change: func(s *pm.ClassDeploymentSpec) { s.NFR.MaxLatencyMs = ptr.To[int64](0) }, want: []string{invalid + "spec.nfr.maxLatencyMs"}},
		"availability in percent is refused":      {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "99.9%" }, want: []string{invalid + "spec.nfr.availability"}},
		"availability above 1 is refused":         {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "1.01" }, want: []string{invalid + "spec.nfr.availability"}},
		"availability in exponents is refused":    {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "9e-1" }, want: []string{invalid + "spec.nfr.availability"}},
		"CPU use of 0 percent is refused":         {change: func(s *pm.ClassDeploymentSpec) { s.NFR.CPUUtilizationTarget = ptr.To[int32](0) }, want: []string{invalid + "spec.nfr.cpuUtilizationTarget"}},
		"CPU use of 101 percent is refused":       {change: func(s *pm.ClassDeploymentSpec) { s.NFR.CPUUtilizationTarget = ptr.To[int32](101) }, want: []string{invalid + "spec.nfr.cpuUtilizationTarget"}},
		"a least above the greatest is refused":   {change: func(s *pm.ClassDeploymentSpec) { s.Replicas.Min = ptr.To[int32](4) }, want: []string{invalid + "spec.replicas.min"}},
		"an unknown mode is refused":              {change: func(s *pm.ClassDeploymentSpec) { s.Enforcement.Mode = "Max" }, want: []string{unsupported + "spec.enforcement.mode"}},
		"an unknown dimension is refused":         {change: func(s *pm.ClassDeploymentSpec) { s.Enforcement.Dimensions[0] = "memory" }, want: []string{unsupported + "spec.enforcement.dimensions[0]"}},
		"the same dimension twice is refused":     {change: func(s *pm.ClassDeploymentSpec) { s.Enforcement.Dimensions[0] = "cpu" }, want: []string{duplicate + "spec.enforcement.dimensions[1]"}},
		"a template for nowhere is refused":       {change: func(s *pm.ClassDeploymentSpec) { s.Templates["moon"] = "job" }, want: []string{invalid + "spec.templates[moon]"}},
		"a template needs a name":                 {change: func(s *pm.ClassDeploymentSpec) { s.Templates["edge"] = "" }, want: []string{invalid + "spec.templates[edge]"}},
		"no partitions are refused":               {change: func(s *pm.ClassDeploymentSpec) { s.ODGM.PartitionCount = ptr.To[int32](0) }, want: []string{invalid + "spec.odgm.partitionCount"}},
		"no copies are refused":                   {change: func(s *pm.ClassDeploymentSpec) { s.ODGM.ReplicaCount = ptr.To[int32](0) }, want: []string{invalid + "spec.odgm.replicaCount"}},
		"an unknown shard type is refused":        {change: func(s *pm.ClassDeploymentSpec) { s.ODGM.ShardType = "paxos" }, want: []string{unsupported + "spec.odgm.shardType"}},
		"an unknown network mode is refused":      {change: func(s *pm.ClassDeploymentSpec) { s.ODGM.ZenohMode = "mesh" }, want: []string{unsupported + "spec.odgm.zenohMode"}},
		"the same collection twice is refused":    {change: func(s *pm.ClassDeploymentSpec) { s.ODGM.Collections = []string{"a", "a"} }, want: []string{duplicate + "spec.odgm.collections[1]"}},
		"a sampling rate above 1 is refused":      {change: func(s *pm.ClassDeploymentSpec) { s.Telemetry.SamplingRate = "2" }, want: []string{invalid + "spec.telemetry.samplingRate"}},
		"an attribute without a name is refused":  {change: func(s *pm.ClassDeploymentSpec) { s.Telemetry.ResourceAttributes = map[string]string{"": "x"} }, want: []string{tooShort + "spec.telemetry.resourceAttributes"}},
		"an unknown deletion policy is refused":   {change: func(s *pm.ClassDeploymentSpec) { s.DeletionPolicy = "Forget" }, want: []string{unsupported + "spec.deletionPolicy"}},
		"several errors in one part come at once": {change: func(s *pm.ClassDeploymentSpec) { s.NFR.Availability = "x"; s.NFR.MaxLatencyMs = ptr.To[int64](-1) }, want: []string{invalid + "spec.nfr.availability", invalid + "spec.nfr.maxLatencyMs"}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			d := validClassDeployment()
			test.change(&d.Spec)
			expectErrors(t, declared(t, resources.ClassDeployments, d, nil, validation.ValidateClassDeployment(d)), test.want)
			if test.want != nil && d.Spec.PackageName == "shop" && d.Spec.ClassKey == "shop.Cart" {
				expectErrors(t, declared(t, resources.ClassDeployments, d, validClassDeployment(), validation.ValidateClassDeploymentUpdate(d, validClassDeployment())), test.want)
			}
		})
	}
}

func TestClassOfADeploymentCannotChange(t *testing.T) {
	updated := validClassDeployment()
	updated.Spec.PackageName, updated.Spec.ClassKey = "other", "Other"
	expectErrors(t, declared(t, resources.ClassDeployments, updated, validClassDeployment(), validation.ValidateClassDeploymentUpdate(updated, validClassDeployment())),
		[]string{invalid + "spec.packageName", invalid + "spec.classKey"})
}

func TestValidateClassDeploymentStatus(t *testing.T) {
	tests := map[string]struct {
		status pm.ClassDeploymentStatus
		want   []string
	}{
		"an empty status is accepted": {},
		"a status of the current generation is accepted": {status: pm.ClassDeploymentStatus{
			ObservedGeneration: 2, Phase: pm.ClassDeploymentRunning,
			Units: []pm.DeploymentUnitStatus{{Cluster: "a", DeploymentID: "x"}, {Cluster: "b", DeploymentID: "x"}},
		}},
		"a status of the future is refused": {status: pm.ClassDeploymentStatus{ObservedGeneration: 3}, want: []string{invalid + "status.observedGeneration"}},
		"an unknown phase is refused":       {status: pm.ClassDeploymentStatus{Phase: "Fine"}, want: []string{unsupported + "status.phase"}},
		"a unit needs a cluster and a record": {
			status: pm.ClassDeploymentStatus{Units: []pm.DeploymentUnitStatus{{}}},
			want:   []string{required + "status.units[0].cluster", required + "status.units[0].deploymentID"},
		},
		"a unit listed twice is refused": {
			status: pm.ClassDeploymentStatus{Units: []pm.DeploymentUnitStatus{{Cluster: "a", DeploymentID: "x"}, {Cluster: "a", DeploymentID: "x"}}},
			want:   []string{duplicate + "status.units[1]"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			d := validClassDeployment()
			d.Status = test.status
			expectErrors(t, declared(t, resources.ClassDeployments, d, validClassDeployment(), validation.ValidateClassDeploymentStatusUpdate(d, validClassDeployment())), test.want)
		})
	}
}
