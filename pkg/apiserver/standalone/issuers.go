// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	api "k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// tokenCacheTTL is how long an accepted token is not verified again.
const tokenCacheTTL = 10 * time.Second

// issuers reads AuthenticationConfigurations and makes authenticators of them.
type issuers struct {
	decoder  runtime.Decoder
	compiler authenticationcel.Compiler
	serverID string
}

func newIssuers(serverID string) issuers {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	return issuers{decoder: codecs.UniversalDecoder(), compiler: authenticationcel.NewDefaultCompiler(), serverID: serverID}
}

// load decodes and validates a file's content.
func (i issuers) load(content []byte) (*api.AuthenticationConfiguration, error) {
	object, err := runtime.Decode(i.decoder, content)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	config, ok := object.(*api.AuthenticationConfiguration)
	if !ok {
		return nil, fmt.Errorf("kind is %T, want AuthenticationConfiguration of apiserver.config.k8s.io/v1", object)
	}
	if err := validation.ValidateAuthenticationConfiguration(i.compiler, config, nil).ToAggregate(); err != nil {
		return nil, err
	}
	return config, nil
}

// open makes an authenticator of the tokens of all issuers, nil without any. It
// works until the context ends, from when the issuers answered; healthy returns
// an error until then.
func (i issuers) open(ctx context.Context, config *api.AuthenticationConfiguration) (tokens authenticator.Token, healthy func() error, err error) {
	var all []authenticator.Token
	var checks []func() error
	for _, issuer := range config.JWT {
		options := oidc.Options{
			JWTAuthenticator: issuer, Compiler: i.compiler, APIServerID: i.serverID,
			SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
		}
		if ca := issuer.Issuer.CertificateAuthority; ca != "" {
			if options.CAContentProvider, err = dynamiccertificates.NewStaticCAContent("issuer", []byte(ca)); err != nil {
				return nil, nil, fmt.Errorf("certificateAuthority of the issuer %s: %w", issuer.Issuer.URL, err)
			}
		}
		opened, err := oidc.New(ctx, options)
		if err != nil {
			return nil, nil, fmt.Errorf("issuer %s: %w", issuer.Issuer.URL, err)
		}
		all = append(all, opened)
		checks = append(checks, func() error {
			if err := opened.HealthCheck(); err != nil {
				return fmt.Errorf("issuer %s: %w", issuer.Issuer.URL, err)
			}
			return nil
		})
	}
	healthy = func() error {
		var errs []error
		for _, check := range checks {
			errs = append(errs, check())
		}
		return errors.Join(errs...)
	}
	if len(all) == 0 {
		return nil, healthy, nil
	}
	return union.New(all...), healthy, nil
}
