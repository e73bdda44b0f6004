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
	"k8s.io/apiserver/pkg/endpoints/request"
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
	return authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
		// Verifying a certificate costs more than anything else here, so only
		// requests that look like the proxy's are tried.
		if !hasAny(req.Header, config.UsernameHeaders.Value()) {
			return next.AuthenticateRequest(req)
		}
		if response, ok, err := vouched.AuthenticateRequest(req); ok && err == nil {
			marked := *response
			marked.User = proxied{response.User}
			return &marked, true, nil
		}
		return next.AuthenticateRequest(req)
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

// Authorizer allows what the front proxy asked for in the API group, and leaves
// all else to next: kube-apiserver has authorized the request as it came in and
// nothing more. While a request is handled, other questions about its user come
// up, such as whether a patch of an object that is not there may create it, or
// whether an admission policy's expression finds that the user may do something
// else. Those are asked of the host cluster. Impersonation is never allowed here:
// its reviews concern users and groups, not our resources.
func Authorizer(apiGroup string, next authorizer.Authorizer) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if _, ok := a.GetUser().(proxied); ok && a.GetAPIGroup() == apiGroup && isRequest(ctx, a) {
			return authorizer.DecisionAllow, "authorized by kube-apiserver", nil
		}
		return next.Authorize(ctx, a)
	})
}

// isRequest is true when the question is about the request that is being handled.
func isRequest(ctx context.Context, a authorizer.Attributes) bool {
	info, found := request.RequestInfoFrom(ctx)
	return found && info.IsResourceRequest && a.IsResourceRequest() &&
		a.GetVerb() == info.Verb &&
		a.GetAPIGroup() == info.APIGroup &&
		a.GetAPIVersion() == info.APIVersion &&
		a.GetResource() == info.Resource &&
		a.GetSubresource() == info.Subresource &&
		a.GetNamespace() == info.Namespace &&
		a.GetName() == info.Name
}
