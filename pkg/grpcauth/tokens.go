// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// DecisionAge is how long an answer about a caller counts; a revoked token works
	// that much longer at most.
	DecisionAge = time.Minute
	// decisions bounds the memory for answers, and so what guessing tokens can cost.
	decisions = 1024
	// ReviewsPerSecond and ReviewBurst are the callers not seen before that one
	// address may have checked, since each costs a request or a signature.
	ReviewsPerSecond = 10
	ReviewBurst      = 100
)

// ErrUnavailable is wrapped by authenticators that could not find out. Any other
// error means that the token is not accepted.
var ErrUnavailable = errors.New("it cannot be checked now")

// Reviewer answers who is behind a token and what a user may do.
type Reviewer interface {
	authenticator.Token
	authorizer.UnconditionalAuthorizer
}

// Tokens knows callers by bearer tokens. It is safe for use by several goroutines.
type Tokens struct {
	reviewer Reviewer
	clock    clock.PassiveClock
	known    *lru.Cache
	// reviews bounds the questions by address.
	reviews *Limits
}

// tokenKey and accessKey are what answers are remembered by.
type (
	tokenKey  [sha256.Size]byte
	accessKey [sha256.Size]byte
)

// NewTokens asks the reviewer and remembers what it said for DecisionAge.
func NewTokens(reviewer Reviewer, clock clock.PassiveClock) *Tokens {
	return &Tokens{reviewer: reviewer, clock: clock, known: lru.New(decisions), reviews: NewLimits(clock, ReviewsPerSecond, ReviewBurst)}
}

// answer is what the reviewer said, and when.
type answer struct {
	user    user.Info
	allowed bool
	reason  string
	at      time.Time
}

func (t *Tokens) recall(key any) (answer, bool) {
	value, ok := t.known.Get(key)
	if !ok {
		return answer{}, false
	}
	a, ok := value.(answer)
	return a, ok && t.clock.Since(a.at) < DecisionAge
}

// Authenticate returns whom a token belongs to, or a gRPC status that says why it
// is not known. The address is the caller's.
func (t *Tokens) Authenticate(ctx context.Context, token, address string) (user.Info, error) {
	// The token itself is not kept.
	key := tokenKey(sha256.Sum256([]byte(token)))
	a, ok := t.recall(key)
	if !ok {
		if !t.reviews.Allow(address) {
			return nil, status.Errorf(codes.ResourceExhausted, "more than %d unknown tokens a second from %s: slow down", ReviewsPerSecond, address)
		}
		response, known, err := t.reviewer.AuthenticateToken(ctx, token)
		if errors.Is(err, ErrUnavailable) {
			return nil, status.Errorf(codes.Unavailable, "the token: %v", err)
		}
		a = answer{allowed: err == nil && known && response.User.GetName() != user.Anonymous, at: t.clock.Now()}
		if a.allowed {
			a.user = response.User
		}
		// An error tells nothing about the token: the next call asks again.
		if err == nil {
			t.known.Add(key, a)
		}
	}
	if !a.allowed {
		return nil, status.Error(codes.Unauthenticated, "the token is not accepted: it may have expired or be meant for another server")
	}
	return a.user, nil
}

// Authorize returns nil for a user that may do what the attributes say, and
// otherwise a gRPC status. Attributes name a resource; the user in them is set
// here.
func (t *Tokens) Authorize(ctx context.Context, who user.Info, what authorizer.AttributesRecord) error {
	what.User, what.ResourceRequest = who, true
	// Two tokens of one user may carry different groups and scopes, so the whole
	// question is the key.
	question, err := json.Marshal([]any{
		who.GetName(), who.GetUID(), who.GetGroups(), who.GetExtra(),
		what.Verb, what.APIGroup, what.APIVersion, what.Resource, what.Subresource, what.Namespace, what.Name,
	})
	if err != nil {
		return status.Errorf(codes.Internal, "encode the question about permissions: %v", err)
	}
	key := accessKey(sha256.Sum256(question))
	a, ok := t.recall(key)
	if !ok {
		decision, reason, err := t.reviewer.Authorize(ctx, what)
		if err != nil && decision != authorizer.DecisionAllow {
			return status.Errorf(codes.Unavailable, "permissions cannot be checked now: %v", err)
		}
		a = answer{allowed: decision == authorizer.DecisionAllow, reason: reason, at: t.clock.Now()}
		t.known.Add(key, a)
	}
	if !a.allowed {
		return status.Error(codes.PermissionDenied, refusal(what, a.reason))
	}
	return nil
}

// refusal says what a user may not do, as Kubernetes does.
func refusal(what authorizer.AttributesRecord, reason string) string {
	resource := strings.TrimSuffix(what.Resource+"."+what.APIGroup, ".")
	text := fmt.Sprintf("%s may not %s %s", what.User.GetName(), what.Verb, resource)
	if what.Name != "" {
		text += fmt.Sprintf(" %q", what.Name)
	}
	switch {
	case what.Namespace != "":
		text += fmt.Sprintf(" in namespace %q", what.Namespace)
	case what.Name == "":
		text += " in all namespaces"
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}
