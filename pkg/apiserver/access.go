// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// applyAccess sets up who clients are and what they may do.
func (o CompletedOptions) applyAccess(generic *genericapiserver.RecommendedConfig) error {
	if o.Standalone {
		return o.applyStandaloneAccess(generic)
	}
	if err := o.Authentication.ApplyTo(&generic.Authentication, generic.SecureServing, generic.OpenAPIConfig); err != nil {
		return fmt.Errorf("set up authentication: %w", err)
	}
	if err := o.Authorization.ApplyTo(&generic.Authorization); err != nil {
		return fmt.Errorf("set up authorization: %w", err)
	}
	return nil
}

// applyStandaloneAccess does so without a host cluster. The library's delegation
// is of no use: in a pod it would find the cluster that the pod runs in.
func (o CompletedOptions) applyStandaloneAccess(generic *genericapiserver.RecommendedConfig) error {
	// Requests that are under way during the shutdown are still those of a client.
	lifetime := wait.ContextForChannel(generic.DrainedNotify())

	clients, err := o.certificates(generic)
	if err != nil {
		return err
	}
	authentication, err := o.StandaloneAccess.NewAuthentication(lifetime, clients, generic.APIServerID)
	if err != nil {
		return fmt.Errorf("set up authentication: %w", err)
	}
	authorization, err := o.StandaloneAccess.NewAuthorization(lifetime, o.Authorization, generic.APIServerID)
	if err != nil {
		return fmt.Errorf("set up authorization: %w", err)
	}
	generic.Authentication.Authenticator = authentication
	generic.Authorization.Authorizer = authorization
	if o.StandaloneAccess.AuthenticationConfigFile != "" {
		generic.OpenAPIConfig.SecurityDefinitions = &spec.SecurityDefinitions{"BearerToken": &spec.SecurityScheme{
			SecuritySchemeProps: spec.SecuritySchemeProps{
				Type: "apiKey", Name: "authorization", In: "header", Description: "Bearer Token authentication",
			},
		}}
	}
	return generic.AddPostStartHook("watch-access-files", func(genericapiserver.PostStartHookContext) error {
		go authentication.Watch(lifetime)
		go authorization.Watch(lifetime)
		return nil
	})
}

// certificates are the authenticators that go by the certificate of the
// connection: that of a front proxy, which says in headers who the client is, or
// the client's own.
func (o CompletedOptions) certificates(generic *genericapiserver.RecommendedConfig) ([]authenticator.Request, error) {
	var clients []authenticator.Request
	proxy, err := o.Authentication.RequestHeader.ToAuthenticationRequestHeaderConfig()
	if err != nil {
		return nil, fmt.Errorf("read --requestheader-client-ca-file: %w", err)
	}
	if proxy != nil {
		generic.Authentication.RequestHeaderConfig = proxy
		clients = append(clients, headerrequest.NewDynamicVerifyOptionsSecure(proxy.CAContentProvider.VerifyOptions,
			proxy.AllowedClientNames, proxy.UsernameHeaders, proxy.UIDHeaders, proxy.GroupHeaders, proxy.ExtraHeaderPrefixes))
		if err := generic.Authentication.ApplyClientCert(proxy.CAContentProvider, generic.SecureServing); err != nil {
			return nil, fmt.Errorf("apply --requestheader-client-ca-file: %w", err)
		}
	}
	if o.Authentication.ClientCert.ClientCA == "" {
		return clients, nil
	}
	authority, err := o.Authentication.ClientCert.GetClientCAContentProvider()
	if err != nil {
		return nil, fmt.Errorf("read --client-ca-file: %w", err)
	}
	if err := generic.Authentication.ApplyClientCert(authority, generic.SecureServing); err != nil {
		return nil, fmt.Errorf("apply --client-ca-file: %w", err)
	}
	return append(clients, x509.NewDynamic(authority.VerifyOptions, x509.CommonNameUserConversion)), nil
}
