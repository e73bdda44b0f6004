// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"maps"
	"slices"
	"testing"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func builtIn(tb testing.TB) []Candidate {
	tb.Helper()
	specs := map[string]v1alpha1.DeploymentTemplateSpec{
		"deployment": {Type: v1alpha1.TemplateTypeDeployment, ODGM: v1alpha1.TemplateODGM{Mode: v1alpha1.ODGMCluster}},
		"statefulset": {Type: v1alpha1.TemplateTypeStatefulSet, ODGM: v1alpha1.TemplateODGM{Mode: v1alpha1.ODGMSidecar},
			Capabilities: v1alpha1.TemplateCapabilities{PersistentStorage: true}},
		"daemonset": {Type: v1alpha1.TemplateTypeDaemonSet, SelectionCriteria: v1alpha1.SelectionCriteria{OnlyPinned: true}},
		"job":       {Type: v1alpha1.TemplateTypeJob, Capabilities: v1alpha1.TemplateCapabilities{Serving: new(false)}},
		"knative": {Type: v1alpha1.TemplateTypeKnative, ODGM: v1alpha1.TemplateODGM{Mode: v1alpha1.ODGMCluster},
			Capabilities: v1alpha1.TemplateCapabilities{Autoscaling: true, ScaleToZero: true}},
	}
	var candidates []Candidate
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		candidates = append(candidates, Candidate{Name: name, Spec: new(specs[name]), Matches: true})
	}
	return candidates
}
