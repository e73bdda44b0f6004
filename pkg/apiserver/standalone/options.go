// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package standalone knows clients and what they may do where no host cluster
// could be asked: by client certificates and issuers of JSON web tokens, and by
// a mapping of groups to roles or a webhook. What nobody allows is forbidden.
package standalone

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// Options say who is asked instead of a host cluster. They need --standalone.
type Options struct {
	// AuthenticationConfigFile holds an AuthenticationConfiguration of
	// apiserver.config.k8s.io with the issuers whose tokens are accepted. It is read
	// again when it changes.
	AuthenticationConfigFile string
	// RolesFile holds a mapping of users and groups to roles. It is read again when
	// it changes.
	RolesFile string
	// WebhookConfigFile is a kubeconfig that says where and how to ask for
	// authorization.
	WebhookConfigFile string
}

// AddAuthenticationFlags adds the flags that say who clients are.
func (o *Options) AddAuthenticationFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.AuthenticationConfigFile, "authentication-config", o.AuthenticationConfigFile,
		"With --standalone: file with an AuthenticationConfiguration of apiserver.config.k8s.io, as kube-apiserver reads it: "+
			"the issuers whose JSON web tokens are accepted. Read again when it changes.")
}

// AddAuthorizationFlags adds the flags that say what clients may do.
func (o *Options) AddAuthorizationFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.RolesFile, "authorization-roles-file", o.RolesFile,
		"With --standalone: file that gives users and groups the role view, edit or admin. Read again when it changes.")
	fs.StringVar(&o.WebhookConfigFile, "authorization-webhook-config-file", o.WebhookConfigFile,
		"With --standalone: kubeconfig of a service that answers SubjectAccessReviews. Asked about what no role allows.")
}

// Validate returns everything that is wrong with the options, given whether the
// server runs without a host cluster and who signs its clients' certificates.
func (o *Options) Validate(enabled bool, clientCA string) []error {
	if enabled {
		if clientCA == "" && o.AuthenticationConfigFile == "" {
			return []error{errors.New("--standalone needs --client-ca-file or --authentication-config: nobody else could tell who a client is")}
		}
		return nil
	}
	var errs []error
	for _, option := range []struct{ flag, value, instead string }{
		{"--authentication-config", o.AuthenticationConfigFile, "the host cluster tells who a client is"},
		{"--authorization-roles-file", o.RolesFile, "the host cluster tells what a client may do, by RBAC"},
		{"--authorization-webhook-config-file", o.WebhookConfigFile, "the host cluster tells what a client may do"},
	} {
		if option.value != "" {
			errs = append(errs, fmt.Errorf("%s needs --standalone: without it %s", option.flag, option.instead))
		}
	}
	return errs
}
