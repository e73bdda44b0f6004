// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
)

// knativeService is the kind that the template knative needs.
var knativeService = schema.GroupKind{Group: "serving.knative.dev", Kind: "Service"}

// scene is a record in an environment, and the templates of the cluster.
type scene struct {
	name       string
	spec       v1alpha1.DeploymentRecordSpec
	config     *v1alpha1.EnvironmentConfig
	defaults   environment.Defaults
	candidates []Candidate
}

type change func(*scene)

// onPlainCluster is a cluster in the profile full, without Knative and without an
// image of the data grid, and a record as the Package Manager plans it: one function
// with one to two replicas.
func onPlainCluster(tb testing.TB, changes ...change) *scene {
	tb.Helper()
	s := &scene{
		name: "prod",
		spec: v1alpha1.DeploymentRecordSpec{
			ResourceAllocation: v1alpha1.ResourceAllocation{ReplicationFactor: 1, MinReplicas: 1, MaxReplicas: 2},
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "add", Image: "add:1"}},
		},
		config:     &v1alpha1.EnvironmentConfig{},
		defaults:   environment.ProfileDefaults(config.ProfileFull),
		candidates: builtIn(tb),
	}
	s.template("knative", func(c *Candidate) { c.Missing = []schema.GroupKind{knativeService} })
	for _, change := range changes {
		change(s)
	}
	return s
}

func (s *scene) request(tb testing.TB) Request {
	tb.Helper()
	analysis, err := nfr.Analyze(&s.spec)
	if err != nil {
		tb.Fatal(err)
	}
	return Request{Record: &s.spec, Analysis: analysis, Environment: environment.Resolve(s.name, s.config, s.defaults), Candidates: s.candidates}
}

// template changes a candidate, or adds one of that name which is in order.
func (s *scene) template(name string, change func(*Candidate)) {
	for i := range s.candidates {
		if s.candidates[i].Name == name {
			change(&s.candidates[i])
			return
		}
	}
	made := Candidate{Name: name, Matches: true, Spec: &v1alpha1.DeploymentTemplateSpec{Type: v1alpha1.TemplateTypeCustom}}
	change(&made)
	s.candidates = append(s.candidates, made)
}

func template(name string, change func(*Candidate)) change {
	return func(s *scene) { s.template(name, change) }
}

func knativeServed(s *scene) { s.template("knative", func(c *Candidate) { c.Missing = nil }) }

func gridConfigured(s *scene) { s.defaults.ODGMImage = "odgm:1" }

func mayRest(s *scene) { s.spec.FunctionContainers[0].MinReplicas = new(int32(0)) }

func mountsClaim(s *scene) {
	s.spec.FunctionContainers[0].VolumeMounts = []v1alpha1.VolumeMount{
		{Name: "cache", MountPath: "/cache", EmptyDir: &v1alpha1.EmptyVolume{}},
		{Name: "models", MountPath: "/models", PersistentVolumeClaim: &v1alpha1.ClaimVolume{ClaimName: "models"}},
	}
}

func mountsTemporary(s *scene) {
	s.spec.FunctionContainers[0].VolumeMounts = []v1alpha1.VolumeMount{{Name: "tmp", MountPath: "/tmp", EmptyDir: &v1alpha1.EmptyVolume{}}}
}

func fixedSize(s *scene) {
	s.spec.ResourceAllocation.MaxReplicas = s.spec.ResourceAllocation.MinReplicas
}

func latency(ms int64) change {
	return func(s *scene) { s.spec.NFRRequirements.MaxLatencyMs = &ms }
}

func throughput(rps int64) change {
	return func(s *scene) { s.spec.NFRRequirements.MinThroughputRPS = &rps }
}

func availability(value string) change {
	return func(s *scene) { s.spec.NFRRequirements.Availability = value }
}

func transientState(s *scene) { s.spec.State = &v1alpha1.ClassState{} }

func persistentState(s *scene) { s.spec.State = &v1alpha1.ClassState{Persistent: true} }

func pin(name string) change {
	return func(s *scene) { s.spec.SelectedTemplate = name }
}

func allow(templates ...v1alpha1.AllowedTemplate) change {
	return func(s *scene) { s.config.Spec.AllowedTemplates = templates }
}
