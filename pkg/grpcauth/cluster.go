// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcauth

import (
	"context"
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
)

// NewClusterReviewer asks the API server of a cluster, which needs the right to
// create tokenreviews and subjectaccessreviews.
func NewClusterReviewer(kube kubernetes.Interface) Reviewer { return clusterReviewer{kube} }

type clusterReviewer struct {
	kube kubernetes.Interface
}

// AuthenticateToken implements authenticator.Token.
func (r clusterReviewer) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	review, err := r.kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, false, fmt.Errorf("%w: the API server does not answer: %w", ErrUnavailable, err)
	}
	if !review.Status.Authenticated {
		if review.Status.Error != "" {
			return nil, false, errors.New(review.Status.Error)
		}
		return nil, false, nil
	}
	u := review.Status.User
	extra := make(map[string][]string, len(u.Extra))
	for name, values := range u.Extra {
		extra[name] = values
	}
	return &authenticator.Response{User: &user.DefaultInfo{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: extra}}, true, nil
}

// Authorize implements authorizer.UnconditionalAuthorizer.
func (r clusterReviewer) Authorize(ctx context.Context, what authorizer.Attributes) (authorizer.Decision, string, error) {
	who := what.GetUser()
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: make(map[string]authorizationv1.ExtraValue, len(who.GetExtra())),
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: what.GetVerb(), Group: what.GetAPIGroup(), Version: what.GetAPIVersion(), Resource: what.GetResource(),
			Subresource: what.GetSubresource(), Namespace: what.GetNamespace(), Name: what.GetName(),
		},
	}
	for name, values := range who.GetExtra() {
		spec.Extra[name] = values
	}
	review, err := r.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return authorizer.DecisionNoOpinion, "", fmt.Errorf("the API server does not answer: %w", err)
	}
	if !review.Status.Allowed {
		return authorizer.DecisionNoOpinion, review.Status.Reason, nil
	}
	return authorizer.DecisionAllow, review.Status.Reason, nil
}
