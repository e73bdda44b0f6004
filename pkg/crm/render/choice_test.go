// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/selection"
)

// TestTheChoiceAmongBuiltIns holds that what the built-in templates say of
// themselves leads to the template that their descriptions promise.
func TestTheChoiceAmongBuiltIns(t *testing.T) {
	type scene struct {
		record  *v1alpha1.DeploymentRecord
		image   string
		knative bool
	}
	tight := func(r *v1alpha1.DeploymentRecord) { r.Spec.NFRRequirements.MaxLatencyMs = new(int64(20)) }
	resting := func(r *v1alpha1.DeploymentRecord) {
		r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 0, MaxReplicas: 5}
	}
	at := func(port int32) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Port = port }
	}
	pinned := func(name string) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = name }
	}
	cases := map[string]struct {
		scene scene
		want  string
	}{
		"nothing is asked for":                             {scene{record: record()}, "deployment"},
		"everything is asked for":                          {scene{record: record(full)}, "deployment"},
		"state and no data grid":                           {scene{record: record(stateful)}, "deployment"},
		"state and a data grid":                            {scene{record: record(stateful), image: "odgm:1"}, "deployment"},
		"state that is close to the functions":             {scene{record: record(stateful, tight), image: "odgm:1"}, "statefulset"},
		"functions that may rest, with Knative":            {scene{record: record(resting), knative: true}, "knative"},
		"functions that may rest, without Knative":         {scene{record: record(resting)}, "deployment"},
		"functions that may not answer late, with Knative": {scene{record: record(resting, tight), knative: true}, "deployment"},
		"functions at a port that Knative has itself":      {scene{record: record(resting, at(9090)), knative: true}, "deployment"},
		"functions that keep a replica, with Knative":      {scene{record: record(full), knative: true}, "deployment"},
		"a job is pinned":                                  {scene{record: record(pinned("job"))}, "job"},
		"a daemonset is pinned":                            {scene{record: record(pinned("daemonset"))}, "daemonset"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			analysis, err := nfr.Analyze(&tc.scene.record.Spec)
			if err != nil {
				t.Fatal(err)
			}
			defaults := environment.ProfileDefaults(config.ProfileFull)
			defaults.ODGMImage = tc.scene.image
			request := selection.Request{Record: &tc.scene.record.Spec, Analysis: analysis, Environment: environment.Resolve("prod", nil, defaults)}
			for _, name := range []string{"daemonset", "deployment", "job", "knative", "statefulset"} {
				made := builtIn(t, name)
				candidate := selection.Candidate{Name: name, Spec: made.Spec}
				if candidate.Matches, err = made.Matches(Subject(tc.scene.record)); err != nil {
					t.Fatal(err)
				}
				for _, kind := range made.Kinds() {
					if kind.Group == "serving.knative.dev" && !tc.scene.knative {
						candidate.Missing = append(candidate.Missing, schema.GroupKind{Group: kind.Group, Kind: kind.Kind})
					}
				}
				request.Candidates = append(request.Candidates, candidate)
			}
			result, err := selection.Select(request)
			if err != nil || result.Template != tc.want {
				t.Errorf("Select = %q, %v, want %q\n%+v", result.Template, err, tc.want, result.Status)
			}
		})
	}
}
