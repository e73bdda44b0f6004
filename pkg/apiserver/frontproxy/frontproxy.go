// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package frontproxy keeps the Package Manager from authorizing again what
// kube-apiserver has authorized.
//
// kube-apiserver authorizes every request for an aggregated API, by user, verb,
// resource, namespace and name, before it passes the request on under its own
// front-proxy certificate. Asking it once more, by a SubjectAccessReview for each
// new combination of these, would give the same answer at the price of another
// request. Nor would it protect from a stolen front-proxy key: who holds it can
// claim to be any user, also one that may do everything. Requests that come in
// any other way are authorized as ever.
package frontproxy

import (
	"context"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// proxied marks a user that the front proxy vouches for.
type proxied struct{ user.Info }

// Authenticator recognises requests of the front proxy, and leaves all others,
// and those with a wrong certificate, to next.
func Authenticator(config *authenticatorfactory.RequestHeaderConfig, next authenticator.Request) authenticator.Request {
	vouched := group.NewAuthenticatedGroupAdder(headerrequest.NewDynamicVerifyOptionsSecure(
		config.CAContentProvider.VerifyOptions,
		config.AllowedClientNames,
		config.UsernameHeaders,
		config.UIDHeaders,
		config.GroupHeaders,
		config.ExtraHeaderPrefixes,
	))
	return authenticator.RequestFunc(func(request *http.Request) (*authenticator.Response, bool, error) {
		// Verifying a certificate costs more than anything else here, so only
		// requests that look like the proxy's are tried.
		if !hasAny(request.Header, config.UsernameHeaders.Value()) {
			return next.AuthenticateRequest(request)
		}
		if response, ok, err := vouched.AuthenticateRequest(request); ok && err == nil {
			marked := *response
			marked.User = proxied{response.User}
			return &marked, true, nil
		}
		return next.AuthenticateRequest(request)
	})
}

func hasAny(header http.Header, names []string) bool {
	for _, name := range names {
		if header.Get(name) != "" {
			return true
		}
	}
	return false
}

// Authorizer allows the front proxy's requests for resources of the API group,
// and leaves all others to next. Impersonation is never among them: its reviews
// concern users and groups, not our resources.
func Authorizer(apiGroup string, next authorizer.Authorizer) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if _, ok := a.GetUser().(proxied); ok && a.IsResourceRequest() && a.GetAPIGroup() == apiGroup {
			return authorizer.DecisionAllow, "authorized by kube-apiserver", nil
		}
		return next.Authorize(ctx, a)
	})
}
