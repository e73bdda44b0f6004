// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/nfr"
)

func configure(change func(*v1alpha1.EnvironmentConfigSpec)) *v1alpha1.EnvironmentConfig {
	configuration := &v1alpha1.EnvironmentConfig{}
	configuration.Name = "prod"
	change(&configuration.Spec)
	return configuration
}

func TestResolve(t *testing.T) {
	type outcome struct {
		Enforcement     v1alpha1.EnforcementMode
		Storage         string
		MaxReplicaCount int32
		AntiAffinity    bool
		Knative         bool
		MaxReplicas     int32
		Image           string
		Fixed           string
		Protocol        string
		Startup         int32
	}
	dev := outcome{Enforcement: v1alpha1.EnforcementObserve, MaxReplicas: 20, Protocol: "grpc", Startup: 120}
	cases := map[string]struct {
		configuration *v1alpha1.EnvironmentConfig
		profile       config.Profile
		settings      func(*Defaults)
		want          func(*outcome)
	}{
		"dev observes and keeps data in memory": {profile: config.ProfileDev, want: func(*outcome) {}},
		"edge enforces a little and copies less": {profile: config.ProfileEdge, want: func(o *outcome) {
			o.Enforcement, o.MaxReplicaCount = v1alpha1.EnforcementBasic, 2
		}},
		"full enforces, stores on volumes and keeps nodes apart": {profile: config.ProfileFull, want: func(o *outcome) {
			o.Enforcement, o.Storage, o.AntiAffinity, o.Knative, o.MaxReplicas = v1alpha1.EnforcementFull, "1Gi", true, true, 50
		}},
		"the settings win over the profile": {
			profile:  config.ProfileDev,
			settings: func(d *Defaults) { d.ODGMImage, d.Namespace, d.MaxReplicas, d.Knative = "odgm:1", "team", 7, true },
			want:     func(o *outcome) { o.Image, o.Fixed, o.MaxReplicas, o.Knative = "odgm:1", "team", 7, true },
		},
		"the environment wins over both": {
			profile:  config.ProfileEdge,
			settings: func(d *Defaults) { d.ODGMImage, d.Namespace = "odgm:1", "team" },
			configuration: configure(func(s *v1alpha1.EnvironmentConfigSpec) {
				s.ODGM.Image, s.ODGM.MaxReplicaCount, s.ODGM.HealthCheck.StartupSeconds = "odgm:2", 5, 30
				s.ODGM.Storage = &v1alpha1.ODGMStorage{Size: new(resource.MustParse("5Gi"))}
				s.Namespaces.Prefix = "prod-"
				s.Enforcement.Mode = v1alpha1.EnforcementOff
				s.Telemetry.Protocol = "http/json"
			}),
			want: func(o *outcome) {
				*o = outcome{Enforcement: v1alpha1.EnforcementOff, Storage: "5Gi", MaxReplicaCount: 5, MaxReplicas: 20, Image: "odgm:2", Protocol: "http/json", Startup: 30}
			},
		},
		"entries of tenants leave the settings' namespace to the others": {
			profile:  config.ProfileDev,
			settings: func(d *Defaults) { d.Namespace = "team" },
			configuration: configure(func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces.Tenants = map[string]string{"a": "b"}
			}),
			want: func(o *outcome) { o.Fixed = "team" },
		},
		"a volume without a size has the default one": {
			profile: config.ProfileDev,
			configuration: configure(func(s *v1alpha1.EnvironmentConfigSpec) {
				s.ODGM.Storage = &v1alpha1.ODGMStorage{ClassName: "fast"}
			}),
			want: func(o *outcome) { o.Storage = "1Gi" },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			defaults := ProfileDefaults(tc.profile)
			if tc.settings != nil {
				tc.settings(&defaults)
			}
			e := Resolve("prod", tc.configuration, defaults)
			if e.Name != "prod" || e.Configured != (tc.configuration != nil) {
				t.Errorf("name %q, configured %v", e.Name, e.Configured)
			}
			got := outcome{
				Enforcement:     e.Spec.Enforcement.Mode,
				MaxReplicaCount: e.Spec.ODGM.MaxReplicaCount,
				AntiAffinity:    e.Defaults.ODGMAntiAffinity,
				Knative:         e.Defaults.Knative,
				MaxReplicas:     e.Ceiling("deployment").MaxReplicas,
				Image:           e.Spec.ODGM.Image,
				Fixed:           e.Spec.Namespaces.Fixed,
				Protocol:        e.Spec.Telemetry.Protocol,
				Startup:         e.Spec.ODGM.HealthCheck.StartupSeconds,
			}
			if e.Spec.ODGM.Storage != nil {
				got.Storage = e.Spec.ODGM.Storage.Size.String()
			}
			if e.GridConfigured() != (got.Image != "") {
				t.Errorf("grid configured = %v with image %q", e.GridConfigured(), got.Image)
			}
			want := dev
			tc.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveSharesNothing(t *testing.T) {
	configuration := configure(func(s *v1alpha1.EnvironmentConfigSpec) {
		s.ODGM.Storage = &v1alpha1.ODGMStorage{}
		s.Namespaces.Tenants = map[string]string{"a": "b"}
	})
	before := configuration.DeepCopy()
	defaults := ProfileDefaults(config.ProfileFull)
	e := Resolve("prod", configuration, defaults)
	e.Spec.Namespaces.Tenants["a"] = "c"
	Resolve("test", nil, defaults).Spec.ODGM.Storage.ClassName = "changed"
	if diff := cmp.Diff(before, configuration); diff != "" {
		t.Errorf("the configuration changed (-want +got):\n%s", diff)
	}
	if defaults.ODGMStorage.ClassName != "" || defaults.ODGMStorage.Size != nil {
		t.Errorf("the defaults changed: %v", defaults.ODGMStorage)
	}
}

func TestCeilings(t *testing.T) {
	some := configure(func(s *v1alpha1.EnvironmentConfigSpec) {
		s.AllowedTemplates = []v1alpha1.AllowedTemplate{
			{Name: "deployment", MaxReplicas: 4, MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
			{Name: "knative", MaxReplicas: 100},
			{Name: "statefulset"},
		}
	})
	cases := map[string]struct {
		configuration *v1alpha1.EnvironmentConfig
		template      string
		cap           int32
		allowed       bool
		want          nfr.Ceiling
	}{
		"without a list every template is allowed up to the cap": {template: "any", cap: 20, allowed: true, want: nfr.Ceiling{MaxReplicas: 20}},
		"a template's own ceiling counts below the cap": {
			configuration: some, template: "deployment", cap: 20, allowed: true,
			want: nfr.Ceiling{MaxReplicas: 4, MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
		},
		"the cap counts below a template's ceiling":    {configuration: some, template: "knative", cap: 20, allowed: true, want: nfr.Ceiling{MaxReplicas: 20}},
		"a template without a ceiling has the cap":     {configuration: some, template: "statefulset", cap: 20, allowed: true, want: nfr.Ceiling{MaxReplicas: 20}},
		"without a cap the template's ceiling counts":  {configuration: some, template: "knative", allowed: true, want: nfr.Ceiling{MaxReplicas: 100}},
		"a template that is not listed is not allowed": {configuration: some, template: "job", cap: 20, want: nfr.Ceiling{MaxReplicas: 20}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := Resolve("prod", tc.configuration, Defaults{MaxReplicas: tc.cap})
			if _, allowed := e.Allowed(tc.template); allowed != tc.allowed {
				t.Errorf("allowed = %v, want %v", allowed, tc.allowed)
			}
			if diff := cmp.Diff(tc.want, e.Ceiling(tc.template)); diff != "" {
				t.Errorf("ceiling (-want +got):\n%s", diff)
			}
		})
	}
}
