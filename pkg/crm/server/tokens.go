// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// decisionAge is how long an answer of the API server about a token counts; a
	// revoked token works that much longer at most.
	decisionAge = time.Minute
	// decisions bounds the memory for answers, and so what guessing tokens can cost.
	decisions = 1024
	// callsPerSecond and burst are what one caller gets.
	callsPerSecond = 500
	callBurst      = 1000
	// callers bounds the memory for callers.
	callers = 4096
	// reviewsPerSecond and reviewBurst are the tokens not seen before that one
	// address may have checked, since each costs the API server a request.
	reviewsPerSecond = 10
	reviewBurst      = 100
)

// tokens asks the API server about bearer tokens.
type tokens struct {
	kube  kubernetes.Interface
	clock clock.PassiveClock
	known *lru.Cache
	// reviews bounds the questions by address.
	reviews *limits
}

// tokenKey and accessKey are what answers are remembered by.
type (
	tokenKey  [sha256.Size]byte
	accessKey [sha256.Size]byte
)

func newTokens(kube kubernetes.Interface, clock clock.PassiveClock) *tokens {
	return &tokens{kube: kube, clock: clock, known: lru.New(decisions), reviews: newLimits(clock, reviewsPerSecond, reviewBurst)}
}

// answer is what the API server said, and when.
type answer struct {
	user    authenticationv1.UserInfo
	allowed bool
	at      time.Time
}

func (t *tokens) recall(key any) (answer, bool) {
	value, ok := t.known.Get(key)
	if !ok {
		return answer{}, false
	}
	a, ok := value.(answer)
	return a, ok && t.clock.Since(a.at) < decisionAge
}

// authenticate returns whom a token belongs to. The address is the caller's.
func (t *tokens) authenticate(ctx context.Context, token, address string) (authenticationv1.UserInfo, error) {
	// The token itself is not kept.
	key := tokenKey(sha256.Sum256([]byte(token)))
	a, ok := t.recall(key)
	if !ok {
		if !t.reviews.allow(address) {
			return authenticationv1.UserInfo{}, status.Errorf(codes.ResourceExhausted, "more than %d unknown tokens a second from %s: slow down", reviewsPerSecond, address)
		}
		review, err := t.kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token},
		}, metav1.CreateOptions{})
		if err != nil {
			return authenticationv1.UserInfo{}, status.Errorf(codes.Unavailable, "the API server cannot check the token now: %v", err)
		}
		a = answer{user: review.Status.User, allowed: review.Status.Authenticated, at: t.clock.Now()}
		// An error tells nothing about the token: the next call asks again.
		if a.allowed || review.Status.Error == "" {
			t.known.Add(key, a)
		}
	}
	if !a.allowed {
		return authenticationv1.UserInfo{}, status.Error(codes.Unauthenticated, "the API server does not accept the token")
	}
	return a.user, nil
}

func (t *tokens) authorize(ctx context.Context, user authenticationv1.UserInfo, verb string) error {
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: make(map[string]authorizationv1.ExtraValue, len(user.Extra)),
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: v1alpha1.GroupName, Version: v1alpha1.SchemeGroupVersion.Version, Resource: "deploymentrecords", Verb: verb,
		},
	}
	for name, values := range user.Extra {
		spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	// Two tokens of one user may carry different groups and scopes, so the whole
	// question is the key.
	question, err := json.Marshal(spec)
	if err != nil {
		return status.Errorf(codes.Internal, "encode the question about permissions: %v", err)
	}
	key := accessKey(sha256.Sum256(question))
	a, ok := t.recall(key)
	if !ok {
		review, err := t.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err != nil {
			return status.Errorf(codes.Unavailable, "the API server cannot check permissions now: %v", err)
		}
		a = answer{allowed: review.Status.Allowed, at: t.clock.Now()}
		t.known.Add(key, a)
	}
	if !a.allowed {
		return status.Errorf(codes.PermissionDenied, "%s may not %s deploymentrecords.%s in all namespaces", user.Username, verb, v1alpha1.GroupName)
	}
	return nil
}

// limits gives each caller its share of calls.
type limits struct {
	clock clock.PassiveClock
	rate  rate.Limit
	burst int
	mu    sync.Mutex
	known *lru.Cache
}

func newLimits(clock clock.PassiveClock, perSecond rate.Limit, burst int) *limits {
	return &limits{clock: clock, rate: perSecond, burst: burst, known: lru.New(callers)}
}

func (l *limits) allow(caller string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	value, _ := l.known.Get(caller)
	limiter, ok := value.(*rate.Limiter)
	if !ok {
		limiter = rate.NewLimiter(l.rate, l.burst)
		l.known.Add(caller, limiter)
	}
	return limiter.AllowN(l.clock.Now(), 1)
}
