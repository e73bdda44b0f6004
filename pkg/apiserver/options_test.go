// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestOptions(t *testing.T) {
	ca := writeCA(t)
	tests := map[string]struct {
		args []string
		// want is part of the error; empty when the options are right.
		want string
	}{
		"etcd servers are enough":                  {args: []string{"--etcd-servers=https://127.0.0.1:2379"}},
		"an embedded etcd needs its folder":        {args: []string{"--etcd-embedded"}, want: "--etcd-embedded needs --data-dir"},
		"an embedded etcd with a folder is enough": {args: []string{"--etcd-embedded", "--data-dir=/tmp/pm"}},
		"a folder alone does nothing":              {args: []string{"--etcd-servers=https://a:1", "--data-dir=/tmp/pm"}, want: "--data-dir is of no use without --etcd-embedded"},
		"two etcds are one too many":               {args: []string{"--etcd-servers=https://a:1", "--etcd-embedded", "--data-dir=/tmp/pm"}, want: "exclude each other"},
		"no etcd at all is refused":                {want: "--etcd-servers must be specified"},
		"a folder too long for its socket is told": {args: []string{"--etcd-embedded", "--data-dir=/tmp/" + strings.Repeat("x", 100)}, want: "use a shorter path"},
		"standalone needs to know its clients":     {args: []string{"--etcd-servers=https://a:1", "--standalone"}, want: "--standalone needs --client-ca-file"},
		"standalone with certificates is enough":   {args: []string{"--etcd-servers=https://a:1", "--standalone", "--client-ca-file=" + ca}},
		"a managed certificate needs a host cluster": {
			args: []string{"--etcd-servers=https://a:1", "--managed-serving-certificate", "--standalone", "--client-ca-file=" + ca},
			want: "--managed-serving-certificate needs a host cluster",
		},
		"a managed certificate is enough":            {args: []string{"--etcd-servers=https://a:1", "--managed-serving-certificate"}},
		"a managed certificate needs a Service":      {args: []string{"--etcd-servers=https://a:1", "--managed-serving-certificate", "--service-name=A"}, want: "--service-name \"A\""},
		"standalone with issuers is enough":          {args: []string{"--etcd-servers=https://a:1", "--standalone", "--authentication-config=" + ca}},
		"standalone asks no cluster":                 {args: []string{"--etcd-servers=https://a:1", "--standalone", "--client-ca-file=" + ca, "--kubeconfig=/k"}, want: "--standalone asks no cluster"},
		"issuers are for standalone":                 {args: []string{"--etcd-servers=https://a:1", "--authentication-config=x"}, want: "--authentication-config needs --standalone"},
		"roles are for standalone":                   {args: []string{"--etcd-servers=https://a:1", "--authorization-roles-file=x"}, want: "--authorization-roles-file needs --standalone"},
		"a webhook is for standalone":                {args: []string{"--etcd-servers=https://a:1", "--authorization-webhook-config-file=x"}, want: "--authorization-webhook-config-file needs --standalone"},
		"an etcd user needs a password":              {args: []string{"--etcd-servers=https://a:1", "--etcd-username-file=x"}, want: "need each other"},
		"an election needs a place":                  {args: []string{"--etcd-servers=https://a:1", "--leader-elect-namespace="}, want: "--leader-elect needs --leader-elect-namespace"},
		"without an election no place is needed":     {args: []string{"--etcd-servers=https://a:1", "--leader-elect-namespace=", "--leader-elect=false"}},
		"an unknown media type for storage is told":  {args: []string{"--etcd-servers=https://a:1", "--storage-media-type=text/plain"}, want: "--storage-media-type"},
		"a broken override of etcd servers is told":  {args: []string{"--etcd-servers=https://a:1", "--etcd-servers-overrides=packages"}, want: "--etcd-servers-overrides"},
		"an unknown admission plugin is told":        {args: []string{"--etcd-servers=https://a:1", "--enable-admission-plugins=Nope"}, want: "Nope"},
		"several mistakes are told together (first)": {args: []string{"--etcd-embedded", "--leader-elect-namespace="}, want: "--etcd-embedded needs"},
		"several mistakes are told together (last)":  {args: []string{"--etcd-embedded", "--leader-elect-namespace="}, want: "--leader-elect needs"},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			options := NewOptions()
			for _, flags := range options.Flags().FlagSets {
				flags.ParseErrorsAllowlist.UnknownFlags = true
				if err := flags.Parse(test.args); err != nil {
					t.Fatal(err)
				}
			}
			completed, err := options.Complete()
			if err == nil {
				err = completed.Validate()
			}
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestDefaultsSuitAnAggregatedServer(t *testing.T) {
	options := NewOptions()
	if got := options.Etcd.DefaultStorageMediaType; got != runtime.ContentTypeProtobuf {
		t.Errorf("objects are stored as %s, want protobuf", got)
	}
	if !options.Etcd.EnableWatchCache {
		t.Error("the watch cache is off")
	}
	if options.SecureServing.HTTP2MaxStreamsPerConnection < 1000 {
		t.Error("kube-apiserver sends everything through few connections: allow many requests on one")
	}
}

func TestEveryFlagHasOneMeaning(t *testing.T) {
	groups := map[string][]string{}
	for name, flags := range flagGroups("oaas-apiserver", NewOptions()).FlagSets {
		flags.VisitAll(func(f *pflag.Flag) { groups[f.Name] = append(groups[f.Name], name) })
	}
	for name, in := range groups {
		if len(in) > 1 {
			t.Errorf("--%s is in %v: which of them gets the value is a matter of chance", name, in)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	command := NewCommand(t.Context())
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetArgs([]string{"--version"})
	if err := command.Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "oaas-apiserver v") {
		t.Errorf("printed %q", out.String())
	}
}
