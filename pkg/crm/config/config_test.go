// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// full are variables with which the profile full starts, but for Prometheus.
var full = []string{
	"OPRC_CRM_PROFILE=full", "OPRC_CRM_SECURITY_TLS_CERT_FILE=c", "OPRC_CRM_SECURITY_TLS_KEY_FILE=k", "OPRC_CRM_SECURITY_CLIENT_CA_FILE=ca",
}

func fullDefaults() Config {
	c := Defaults(ProfileFull)
	c.Security.TLSCertFile, c.Security.TLSKeyFile, c.Security.ClientCAFile = "c", "k", "ca"
	return c
}

func TestLoad(t *testing.T) {
	cases := map[string]struct {
		file string
		env  []string
		args []string
		want func(*Config)
	}{
		"nothing set gives the developer's defaults": {},
		"other variables do not matter":              {env: []string{"HOME=/root", "OPRC_PM_X=1"}},
		"the environment wins over the file": {
			file: "limits: {maxReplicas: 5}\nlog: debug\n",
			env:  []string{"OPRC_CRM_LIMITS_MAX_REPLICAS=7"},
			want: func(c *Config) { c.Limits.MaxReplicas = 7; c.Log = LogDebug },
		},
		"flags win over the environment": {
			env:  []string{"OPRC_CRM_GRPC_ADDRESS=:1", "OPRC_CRM_FEATURES_LEADER_ELECTION=true"},
			args: []string{"--grpc-address=:2", "--leader-election=false"},
			want: func(c *Config) { c.GRPCAddress = ":2"; c.Features.LeaderElection = false },
		},
		"a profile in the environment changes defaults only": {
			file: "limits: {maxReplicas: 5}\n",
			env:  []string{"OPRC_CRM_PROFILE=edge", "OPRC_CRM_SECURITY_TLS_CERT_FILE=c", "OPRC_CRM_SECURITY_TLS_KEY_FILE=k"},
			want: func(c *Config) {
				*c = Defaults(ProfileEdge)
				c.Limits.MaxReplicas = 5
				c.Security.TLSCertFile, c.Security.TLSKeyFile = "c", "k"
			},
		},
		"names are separated by commas": {
			env:  []string{"OPRC_CRM_SECURITY_ALLOWED_NAMES=a, b"},
			want: func(c *Config) { c.Security.AllowedNames = []string{"a", "b"} },
		},
		"reports are set up by variables": {
			env: []string{"OPRC_CRM_REPORT_ENDPOINT=pm:8090", "OPRC_CRM_REPORT_CLUSTER=a", "OPRC_CRM_REPORT_TOKEN_FILE=t", "OPRC_CRM_REPORT_INTERVAL_SECS=10"},
			want: func(c *Config) {
				c.Report = Report{Endpoint: "pm:8090", Cluster: "a", TokenFile: "t", IntervalSecs: 10}
			},
		},
		"a Prometheus is used once it is named": {
			env: []string{"OPRC_CRM_PROM_URL=http://prometheus.monitoring:9090/prefix"},
			want: func(c *Config) {
				c.Prometheus.URL, c.Features.Prometheus = "http://prometheus.monitoring:9090/prefix", true
			},
		},
		"at the edge, a Prometheus lets requirements be enforced": {
			file: "prometheus: {url: 'https://prometheus'}\nenforcement: {cooldownSecs: 600, maxReplicaDelta: 10}\n",
			env:  []string{"OPRC_CRM_PROFILE=edge", "OPRC_CRM_SECURITY_TLS_CERT_FILE=c", "OPRC_CRM_SECURITY_TLS_KEY_FILE=k", "OPRC_CRM_ENFORCEMENT_MAX_REPLICA_DELTA=20"},
			want: func(c *Config) {
				*c = Defaults(ProfileEdge)
				c.Security.TLSCertFile, c.Security.TLSKeyFile = "c", "k"
				c.Prometheus.URL, c.Features.Prometheus, c.Features.NFREnforcement = "https://prometheus", true, true
				c.Enforcement = Enforcement{CooldownSecs: 600, MaxReplicaDelta: 20}
			},
		},
		"a Prometheus need not enforce requirements": {
			env: append([]string{"OPRC_CRM_PROM_URL=https://user:secret@prometheus", "OPRC_CRM_FEATURES_NFR_ENFORCEMENT=false"}, full...),
			want: func(c *Config) {
				*c = fullDefaults()
				c.Prometheus.URL = "https://user:secret@prometheus"
			},
		},
		"full does without Prometheus when it is told to": {
			env: append([]string{"OPRC_CRM_FEATURES_PROMETHEUS=false"}, full...),
			want: func(c *Config) {
				*c = fullDefaults()
				c.Features.Prometheus = false
			},
		},
		"flags set what the environment does": {
			env:  []string{"OPRC_CRM_ENFORCEMENT_COOLDOWN_SECS=60"},
			args: []string{"--prometheus-url=http://prometheus", "--nfr-enforcement", "--enforcement-cooldown-secs=30", "--enforcement-max-replica-delta=100"},
			want: func(c *Config) {
				c.Prometheus.URL, c.Features.Prometheus, c.Features.NFREnforcement = "http://prometheus", true, true
				c.Enforcement = Enforcement{CooldownSecs: 30, MaxReplicaDelta: 100}
			},
		},
		"a false in the environment turns a default off": {
			env:  []string{"OPRC_CRM_FEATURES_LEADER_ELECTION=false"},
			want: func(c *Config) { c.Features.LeaderElection = false },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set := pflag.NewFlagSet("crm", pflag.ContinueOnError)
			flags := AddFlags(set)
			if err := set.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			got, err := Load(t.Context(), []byte(tc.file), tc.env, flags)
			if err != nil {
				t.Fatal(err)
			}
			want := Defaults(ProfileDev)
			if tc.want != nil {
				tc.want(&want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	cases := map[string]struct {
		file string
		env  []string
		want []string
	}{
		"an unknown variable":         {env: []string{"OPRC_CRM_LIMIT_MAX_REPLICAS=1"}, want: []string{"OPRC_CRM_LIMIT_MAX_REPLICAS"}},
		"a setting without effect":    {env: []string{"OPRC_CRM_FEATURES_KEDA=true"}, want: []string{"OPRC_CRM_FEATURES_KEDA"}},
		"an unknown key in the file":  {file: "limits: {maxReplica: 1}", want: []string{"maxReplica"}},
		"a number out of range":       {env: []string{"OPRC_CRM_LIMITS_MAX_REPLICAS=0"}, want: []string{"LIMITS_MAX_REPLICAS is 0: use 1 to 1000"}},
		"text for a number":           {env: []string{"OPRC_CRM_LIMITS_MAX_REPLICAS=many"}, want: []string{"MaxReplicas", "many"}},
		"an unknown profile":          {env: []string{"OPRC_CRM_PROFILE=prod"}, want: []string{`PROFILE is "prod"`}},
		"mutual TLS without files":    {env: []string{"OPRC_CRM_SECURITY_MTLS=true"}, want: []string{"SECURITY_TLS_CERT_FILE", "SECURITY_CLIENT_CA_FILE"}},
		"full without a certificate":  {env: []string{"OPRC_CRM_PROFILE=full"}, want: []string{"SECURITY_MTLS"}},
		"tokens in the clear":         {env: []string{"OPRC_CRM_PROFILE=edge"}, want: []string{"PROFILE edge needs SECURITY_TLS_CERT_FILE"}},
		"a certificate without a key": {env: []string{"OPRC_CRM_SECURITY_TLS_CERT_FILE=c"}, want: []string{"belong together"}},
		"an address without a port":   {env: []string{"OPRC_CRM_GRPC_ADDRESS=localhost"}, want: []string{"GRPC_ADDRESS"}},
		"reports to nowhere":          {env: []string{"OPRC_CRM_REPORT_CLUSTER=a"}, want: []string{"REPORT_ENDPOINT is not set"}},
		"reports without credentials": {
			env:  []string{"OPRC_CRM_REPORT_ENDPOINT=pm:8090", "OPRC_CRM_REPORT_CLUSTER=a"},
			want: []string{"without credentials"},
		},
		"reports for no cluster": {
			env:  []string{"OPRC_CRM_REPORT_ENDPOINT=pm:8090", "OPRC_CRM_REPORT_TOKEN_FILE=t"},
			want: []string{`REPORT_CLUSTER is ""`},
		},
		"webhooks that nobody can reach": {
			env:  []string{"OPRC_CRM_WEBHOOK_ADDRESS=:9443", "OPRC_CRM_WEBHOOK_URL=http://example.org/path"},
			want: []string{`WEBHOOK_URL is "http://example.org/path": use https://host:port`},
		},
		"a way to webhooks that are off": {env: []string{"OPRC_CRM_WEBHOOK_URL=https://example.org"}, want: []string{"WEBHOOK_URL is set while WEBHOOK_ADDRESS is not"}},
		"reports all the time":           {env: []string{"OPRC_CRM_REPORT_INTERVAL_SECS=1"}, want: []string{"REPORT_INTERVAL_SECS is 1: use 5 to 3600"}},
		"an image that is none":          {env: []string{"OPRC_CRM_ODGM_IMAGE=Odgm:"}, want: []string{`ODGM_IMAGE is "Odgm:"`}},
		"a batch of nobody":              {env: []string{"OPRC_CRM_TEMPLATES_BATCH_SIZE=0"}, want: []string{"TEMPLATES_BATCH_SIZE is 0: use 1 to 1000"}},
		"full without Prometheus":        {env: full, want: []string{"PROFILE full needs PROM_URL: set it, or FEATURES_PROMETHEUS=false"}},
		"a Prometheus without a URL":     {env: []string{"OPRC_CRM_FEATURES_PROMETHEUS=true"}, want: []string{"FEATURES_PROMETHEUS is on without PROM_URL"}},
		"a Prometheus that is off": {
			env:  []string{"OPRC_CRM_PROM_URL=http://p", "OPRC_CRM_FEATURES_PROMETHEUS=false"},
			want: []string{"PROM_URL is set while FEATURES_PROMETHEUS is off"},
		},
		"enforcement that nobody measures": {env: []string{"OPRC_CRM_FEATURES_NFR_ENFORCEMENT=true"}, want: []string{"FEATURES_NFR_ENFORCEMENT is on without Prometheus"}},
		"a Prometheus of another kind":     {env: []string{"OPRC_CRM_PROM_URL=prometheus:9090"}, want: []string{"PROM_URL is not a URL"}},
		"a query at Prometheus":            {env: []string{"OPRC_CRM_PROM_URL=http://prometheus?token=secret"}, want: []string{"PROM_URL is not a URL"}},
		"a Prometheus that cannot be read": {env: []string{"OPRC_CRM_PROM_URL=http://user:secret@a b"}, want: []string{"PROM_URL is not a URL"}},
		"a password in the clear": {
			env:  append([]string{"OPRC_CRM_PROM_URL=http://user:secret@prometheus:9090"}, full...),
			want: []string{"PROM_URL sends credentials to prometheus:9090 in the clear: use https"},
		},
		"no pause between changes": {env: []string{"OPRC_CRM_ENFORCEMENT_COOLDOWN_SECS=0"}, want: []string{"ENFORCEMENT_COOLDOWN_SECS is 0: use 10 to 3600"}},
		"steps of more than all":   {env: []string{"OPRC_CRM_ENFORCEMENT_MAX_REPLICA_DELTA=101"}, want: []string{"ENFORCEMENT_MAX_REPLICA_DELTA is 101: use 1 to 100 (percent)"}},
		"a namespace that no record may be in": {
			env: []string{"OPRC_CRM_K8S_NAMESPACE=kube-system"}, want: []string{`K8S_NAMESPACE is "kube-system": a namespace of Kubernetes itself`},
		},
		"two listeners at one address": {
			env: []string{"OPRC_CRM_METRICS_ADDRESS=:8081"}, want: []string{"GRPC_ADDRESS and METRICS_ADDRESS are both :8081: give each a port of its own"},
		},
		"a bad namespace": {env: []string{"OPRC_CRM_K8S_NAMESPACE=Team_A"}, want: []string{"K8S_NAMESPACE"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), []byte(tc.file), tc.env, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error shows a password: %q", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
}

// The table of the design: what a profile changes.
func TestDefaultsOfProfiles(t *testing.T) {
	type row struct {
		Prometheus, Enforcement bool
		CooldownSecs            int
		MaxReplicas             int32
	}
	for profile, want := range map[Profile]row{
		ProfileFull: {Prometheus: true, Enforcement: true, CooldownSecs: 60, MaxReplicas: 50},
		ProfileEdge: {Prometheus: true, Enforcement: true, CooldownSecs: 120, MaxReplicas: 20},
		ProfileDev:  {Prometheus: true, CooldownSecs: 120, MaxReplicas: 20},
	} {
		c := Defaults(profile).withPrometheus()
		got := row{c.Features.Prometheus, c.Features.NFREnforcement, c.Enforcement.CooldownSecs, c.Limits.MaxReplicas}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("defaults of %s with a Prometheus (-want +got):\n%s", profile, diff)
		}
	}
}
