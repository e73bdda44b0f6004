// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
)

// reviewer answers reviews as an API server does, and counts them.
type reviewer struct {
	tokens atomic.Int32
	// broken makes the authenticators fail.
	broken atomic.Bool
}

// ServeHTTP accepts the token "good" and allows members of the group "writers".
func (r *reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(request.URL.Path, "/tokenreviews") {
		r.tokens.Add(1)
		review := &authenticationv1.TokenReview{}
		_ = json.NewDecoder(request.Body).Decode(review)
		review.Status.Authenticated = review.Spec.Token == "good" && !r.broken.Load()
		review.Status.User.Username = "ann"
		if r.broken.Load() {
			review.Status.Error = "the token webhook does not answer"
		}
		_ = json.NewEncoder(w).Encode(review)
		return
	}
	review := &authorizationv1.SubjectAccessReview{}
	_ = json.NewDecoder(request.Body).Decode(review)
	review.Status.Allowed = slices.Contains(review.Spec.Groups, "writers")
	_ = json.NewEncoder(w).Encode(review)
}

func newReviewer(t *testing.T) (*reviewer, *Tokens) {
	t.Helper()
	r := &reviewer{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	config.ContentType = "application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return r, NewTokens(NewClusterReviewer(client), clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestMadeUpTokensCostTheAPIServerLittle(t *testing.T) {
	r, tokens := newReviewer(t)
	if _, err := tokens.Authenticate(t.Context(), "good", "home"); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range 3 * ReviewBurst {
		_, err := tokens.Authenticate(t.Context(), fmt.Sprint("made-up-", i), "attacker")
		if status.Code(err) == codes.ResourceExhausted {
			refused++
		}
	}
	if asked := r.tokens.Load() - 1; asked != ReviewBurst || refused != 2*ReviewBurst {
		t.Errorf("%d tokens were reviewed and %d refused, want %d and %d", asked, refused, ReviewBurst, 2*ReviewBurst)
	}
	if _, err := tokens.Authenticate(t.Context(), "good", "home"); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

func TestAnErrorOfTheAuthenticatorsIsNotRemembered(t *testing.T) {
	r, tokens := newReviewer(t)
	r.broken.Store(true)
	if _, err := tokens.Authenticate(t.Context(), "good", "home"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("err = %v, want UNAUTHENTICATED", err)
	}
	r.broken.Store(false)
	if _, err := tokens.Authenticate(t.Context(), "good", "home"); err != nil {
		t.Errorf("after the authenticators came back: %v", err)
	}
}

func TestPermissionsOfOneTokenAreNotThoseOfAnother(t *testing.T) {
	_, tokens := newReviewer(t)
	ann := &user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"writers"}}
	create := authorizer.AttributesRecord{Verb: "create", APIGroup: "oaas.io", APIVersion: "v1alpha1", Resource: "deploymentrecords"}
	if err := tokens.Authorize(t.Context(), ann, create); err != nil {
		t.Fatal(err)
	}
	ann = &user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"readers"}}
	if err := tokens.Authorize(t.Context(), ann, create); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the same user by a token with fewer groups: err = %v, want PERMISSION_DENIED", err)
	}
}

func TestEachCallerHasItsShare(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	l := NewLimits(clock, CallsPerSecond, CallBurst)
	for call := range CallBurst {
		if !l.Allow("greedy") {
			t.Fatalf("call %d was refused", call)
		}
	}
	if l.Allow("greedy") {
		t.Error("a call beyond the burst was let through")
	}
	if !l.Allow("modest") {
		t.Error("one caller used up another's share")
	}
	clock.SetTime(clock.Now().Add(time.Second))
	if !l.Allow("greedy") {
		t.Error("a caller that waited was refused")
	}
}
