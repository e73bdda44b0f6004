// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"oaas.io/oaas/pkg/crm/config"
)

// errNoAuthorities refuses everyone for as long as nobody is trusted.
var errNoAuthorities = errors.New("SECURITY_CLIENT_CA_FILE could not be read")

// serverTLS holds the certificate that is shown and the authorities that are
// trusted. Both are read again when their files change.
type serverTLS struct {
	certificate *certwatcher.CertWatcher
	// clientCAs is nil where callers need no certificate.
	clientCAs *dynamiccertificates.DynamicFileCAContent
}

// newServerTLS reads the files that the settings name; nil when they name none.
func newServerTLS(security config.Security) (*serverTLS, error) {
	if security.TLSCertFile == "" {
		return nil, nil
	}
	certificate, err := certwatcher.New(security.TLSCertFile, security.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read SECURITY_TLS_CERT_FILE and SECURITY_TLS_KEY_FILE: %w", err)
	}
	s := &serverTLS{certificate: certificate}
	if security.MTLS {
		if s.clientCAs, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", security.ClientCAFile); err != nil {
			return nil, fmt.Errorf("read SECURITY_CLIENT_CA_FILE: %w", err)
		}
	}
	return s, nil
}

func (s *serverTLS) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate.GetCertificate}
	if s.clientCAs == nil {
		return c
	}
	// A resumed session would not be checked against new authorities.
	c.SessionTicketsDisabled = true
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		options, ok := s.clientCAs.VerifyOptions()
		if !ok {
			return nil, errNoAuthorities
		}
		current := c.Clone()
		current.ClientCAs = options.Roots
		return current, nil
	}
	return c
}

// watch reads the files again when they change, until ctx ends.
func (s *serverTLS) watch(ctx context.Context, log logr.Logger) {
	go func() {
		if err := s.certificate.Start(ctx); err != nil {
			log.Error(err, "The certificate is no longer read again when it changes")
		}
	}()
	if s.clientCAs != nil {
		go s.clientCAs.Run(ctx, 1)
	}
}
