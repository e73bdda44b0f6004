// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcauth

import (
	"context"
	"crypto/x509"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// HealthPrefix starts the methods that load balancers and kubelets call, which
// have no credentials.
const HealthPrefix = "/grpc.health.v1.Health/"

// VerifiedCertificate is the caller's certificate that the connection was
// verified by; nil without one.
func VerifiedCertificate(ctx context.Context) *x509.Certificate {
	info, ok := transport(ctx)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

// PresentedCertificates are what the caller showed, its own first. The caller has
// the key of the first, and nothing else about them is known: nobody has verified
// who signed them.
func PresentedCertificates(ctx context.Context) []*x509.Certificate {
	info, _ := transport(ctx)
	return info.State.PeerCertificates
}

func transport(ctx context.Context) (credentials.TLSInfo, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return credentials.TLSInfo{}, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	return info, ok
}

// NamesOf are the names that a certificate carries: the common name, the DNS names
// and the URIs.
func NamesOf(certificate *x509.Certificate) []string {
	var names []string
	if certificate.Subject.CommonName != "" {
		names = append(names, certificate.Subject.CommonName)
	}
	names = append(names, certificate.DNSNames...)
	for _, uri := range certificate.URIs {
		names = append(names, uri.String())
	}
	return names
}

// BearerToken is the token in the call's metadata; empty without one.
func BearerToken(ctx context.Context) string {
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		scheme, token, ok := strings.Cut(value, " ")
		if ok && strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(token)
		}
	}
	return ""
}

// PeerAddress is the caller's host, without the port, which changes with every
// connection.
func PeerAddress(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return "unknown"
	}
	address := p.Addr.String()
	if i := strings.LastIndexByte(address, ':'); i > 0 {
		return address[:i]
	}
	return address
}
