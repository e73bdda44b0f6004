// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/grpcauth"
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
	"/oaas.deployment.v1.DeploymentService/RenderDeployment":       "get",
	"/oaas.crm.v1.CrmInfoService/GetClusterHealth":                 "list",
}

// guard decides who may call.
type guard struct{ guardOptions }

type guardOptions struct {
	// allowedNames are the names in certificates of callers.
	allowedNames []string
	// open lets callers without credentials do everything.
	open   bool
	tokens *grpcauth.Tokens
	limits *grpcauth.Limits
}

func newGuard(options guardOptions) *guard { return &guard{options} }

// admit returns the caller's name, or a status error that says why it may not
// call.
func (g *guard) admit(ctx context.Context, method string) (context.Context, string, error) {
	caller, err := g.identify(ctx, method)
	if err != nil {
		return nil, "", err
	}
	if !g.limits.Allow(caller) {
		return nil, caller, status.Errorf(codes.ResourceExhausted, "more than %d calls a second by %s: slow down", grpcauth.CallsPerSecond, caller)
	}
	return ctx, caller, nil
}

func (g *guard) identify(ctx context.Context, method string) (string, error) {
	if leaf := grpcauth.VerifiedCertificate(ctx); leaf != nil {
		// A certificate of the right authority is not enough: it signs others too.
		for _, name := range grpcauth.NamesOf(leaf) {
			if slices.Contains(g.allowedNames, name) {
				return "certificate:" + name, nil
			}
		}
		return "", status.Errorf(codes.PermissionDenied, "certificate of %q is not among SECURITY_ALLOWED_NAMES", leaf.Subject.CommonName)
	}
	if token := grpcauth.BearerToken(ctx); token != "" {
		caller, err := g.tokens.Authenticate(ctx, token, grpcauth.PeerAddress(ctx))
		if err != nil {
			return "", err
		}
		if err := g.authorize(ctx, caller, method); err != nil {
			return "", err
		}
		return "user:" + caller.GetName(), nil
	}
	if g.open || strings.HasPrefix(method, grpcauth.HealthPrefix) {
		return "anonymous:" + grpcauth.PeerAddress(ctx), nil
	}
	return "", status.Error(codes.Unauthenticated, `no credentials: send "authorization: Bearer <token>" of a service account`)
}

func (g *guard) authorize(ctx context.Context, caller user.Info, method string) error {
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
		err := g.tokens.Authorize(ctx, caller, authorizer.AttributesRecord{
			Verb: verb, APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version, Resource: "deploymentrecords",
		})
		if err != nil {
			return err
		}
	}
	return nil
}
