// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

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
		"a bad namespace":                {env: []string{"OPRC_CRM_K8S_NAMESPACE=Team_A"}, want: []string{"K8S_NAMESPACE"}},
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
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
}
