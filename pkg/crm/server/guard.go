// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
)

// verbs are what the calls do to deployment records, for the cluster's own
// authorization. A method that is not here is open to every caller who is known:
// health and reflection tell nothing about records.
var verbs = map[string]string{
	"/oaas.deployment.v1.DeploymentService/Deploy":                 "create",
	"/oaas.deployment.v1.DeploymentService/GetDeploymentStatus":    "get",
	"/oaas.deployment.v1.DeploymentService/DeleteDeployment":       "delete",
	"/oaas.deployment.v1.DeploymentService/ListDeploymentRecords":  "list",
	"/oaas.deployment.v1.DeploymentService/GetDeploymentRecord":    "get",
	"/oaas.deployment.v1.DeploymentService/WatchDeploymentRecords": "watch",
	"/oaas.crm.v1.CrmInfoService/GetClusterHealth":                 "list",
}

// healthPrefix starts the methods that load balancers and kubelets call, which
// have no credentials.
const healthPrefix = "/grpc.health.v1.Health/"

// guard decides who may call.
type guard struct{ guardOptions }

type guardOptions struct {
	// allowedNames are the names in certificates of callers.
	allowedNames []string
	// open lets callers without credentials do everything.
	open   bool
	tokens *tokens
	limits *limits
}

func newGuard(options guardOptions) *guard { return &guard{options} }

// admit returns the caller's name, or a status error that says why it may not
// call.
func (g *guard) admit(ctx context.Context, method string) (string, error) {
	caller, err := g.identify(ctx, method)
	if err != nil {
		return "", err
	}
	if !g.limits.allow(caller) {
		return caller, status.Errorf(codes.ResourceExhausted, "more than %d calls a second by %s: slow down", callsPerSecond, caller)
	}
	return caller, nil
}

func (g *guard) identify(ctx context.Context, method string) (string, error) {
	if leaf := clientCertificate(ctx); leaf != nil {
		// A certificate of the right authority is not enough: it signs others too.
		for _, name := range namesOf(leaf) {
			if slices.Contains(g.allowedNames, name) {
				return "certificate:" + name, nil
			}
		}
		return "", status.Errorf(codes.PermissionDenied, "certificate of %q is not among SECURITY_ALLOWED_NAMES", leaf.Subject.CommonName)
	}
	if token := bearerToken(ctx); token != "" {
		user, err := g.tokens.authenticate(ctx, token, peerAddress(ctx))
		if err != nil {
			return "", err
		}
		if err := g.authorize(ctx, user, method); err != nil {
			return "", err
		}
		return "user:" + user.Username, nil
	}
	if g.open || strings.HasPrefix(method, healthPrefix) {
		return "anonymous:" + peerAddress(ctx), nil
	}
	return "", status.Error(codes.Unauthenticated, `no credentials: send "authorization: Bearer <token>" of a service account`)
}

func (g *guard) authorize(ctx context.Context, user authenticationv1.UserInfo, method string) error {
	verb, ok := verbs[method]
	if !ok {
		return nil
	}
	wanted := []string{verb}
	if verb == "create" {
		// Deploy also changes what exists.
		wanted = append(wanted, "patch")
	}
	for _, verb := range wanted {
		if err := g.tokens.authorize(ctx, user, verb); err != nil {
			return err
		}
	}
	return nil
}

func clientCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

func namesOf(certificate *x509.Certificate) []string {
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

func bearerToken(ctx context.Context) string {
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		scheme, token, ok := strings.Cut(value, " ")
		if ok && strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(token)
		}
	}
	return ""
}

// peerAddress is the caller's host, without the port, which changes with every
// connection.
func peerAddress(ctx context.Context) string {
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
