// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"oaas.io/oaas/pkg/grpcauth"
)

// api asks whom the API server of the Package Manager asks, so that a user is the
// same here and there, with a host cluster and without.
type api struct {
	authorizer.UnconditionalAuthorizer

	requests  authenticator.Request
	audiences authenticator.Audiences
}

var _ grpcauth.Reviewer = (*api)(nil)

// errNobody is for credentials that the API server does not know.
var errNobody = errors.New("nobody is known by it")

// AuthenticateToken implements authenticator.Token.
func (a *api) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	return a.authenticate(ctx, http.Header{"Authorization": {"Bearer " + token}}, nil)
}

// userOf tells which user of the API a certificate is. The authenticators verify
// it.
func (a *api) userOf(ctx context.Context, chain []*x509.Certificate) (user.Info, bool) {
	response, ok, err := a.authenticate(ctx, http.Header{}, &tls.ConnectionState{PeerCertificates: chain})
	if err != nil || !ok {
		return nil, false
	}
	return response.User, true
}

// authenticate asks as if the credentials had come with an HTTP request, and with
// nothing else: no header of the caller's is passed on.
func (a *api) authenticate(ctx context.Context, header http.Header, connection *tls.ConnectionState) (*authenticator.Response, bool, error) {
	if a.requests == nil {
		return nil, false, nil
	}
	if len(a.audiences) > 0 {
		ctx = authenticator.WithAudiences(ctx, a.audiences)
	}
	request := (&http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: header, TLS: connection}).WithContext(ctx)
	response, ok, err := a.requests.AuthenticateRequest(request)
	switch {
	case err != nil && cannotTell(err):
		return nil, false, fmt.Errorf("%w: %w", grpcauth.ErrUnavailable, err)
	case err != nil:
		return nil, false, err
	case !ok || response.User.GetName() == user.Anonymous:
		return nil, false, nil
	case len(a.audiences) > 0 && len(response.Audiences) > 0 && len(a.audiences.Intersect(response.Audiences)) == 0:
		return nil, false, errNobody
	}
	return response, true, nil
}

// cannotTell is true for errors that say nothing about the credentials.
func cannotTell(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return apierrors.ReasonForError(err) != "" && !apierrors.IsUnauthorized(err)
}
