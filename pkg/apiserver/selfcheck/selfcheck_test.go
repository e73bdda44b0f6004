// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selfcheck_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apiserver/selfcheck"
)

// reviewer answers as the host cluster would.
type reviewer struct {
	authorizationclient.SelfSubjectAccessReviewInterface

	mu    sync.Mutex
	asked int
	// denies says what is not allowed; away lets every question fail.
	denies func(authorizationv1.ResourceAttributes) bool
	away   error
}

func (r *reviewer) Create(_ context.Context, review *authorizationv1.SelfSubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.away != nil {
		return nil, r.away
	}
	answer := review.DeepCopy()
	answer.Status.Allowed = r.denies == nil || !r.denies(*review.Spec.ResourceAttributes)
	return answer, nil
}

func (r *reviewer) change(change func()) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	change()
	return asked
}

func run(t *testing.T, r *reviewer) *selfcheck.Checker {
	t.Helper()
	c := selfcheck.New(r, selfcheck.Rules(manifestScope(), everything...), selfcheck.DefaultInterval, clock.RealClock{})
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go c.Run(ctx)
	synctest.Wait()
	return c
}

// failures are the checks that fail, by name.
func failures(c *selfcheck.Checker) map[string]error {
	failed := map[string]error{}
	for _, check := range c.Checks() {
		if err := check.Check(nil); err != nil {
			failed[check.Name()] = err
		}
	}
	return failed
}

func TestEachMissingVerbIsNamed(t *testing.T) {
	for _, rule := range selfcheck.Rules(manifestScope(), everything...) {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				t.Run(verb+" "+resource+" for "+rule.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						name, subresource, _ := strings.Cut(resource, "/")
						c := run(t, &reviewer{denies: func(a authorizationv1.ResourceAttributes) bool {
							return a.Verb == verb && a.Group == rule.Group && a.Resource == name && a.Subresource == subresource &&
								a.Namespace == rule.Namespace && (a.Name == "") == (len(rule.Names) == 0)
						}})
						failed := failures(c)
						if len(failed) != 1 {
							t.Fatalf("%d checks fail, want one: %v", len(failed), failed)
						}
						message := failed["rbac-"+rule.Name].Error()
						for _, want := range []string{verb + " " + resource, rule.Role, selfcheck.Manifest} {
							if !strings.Contains(message, want) {
								t.Errorf("%q does not name %q", message, want)
							}
						}
					})
				})
			}
		}
	}
}

func TestWhatComesBackIsSeenSoonAndWhatIsThereIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reviewer{denies: func(a authorizationv1.ResourceAttributes) bool { return a.Resource == "namespaces" }}
		c := run(t, r)
		if len(failures(c)) != 1 {
			t.Fatalf("got %v, want one failure", failures(c))
		}
		round := r.change(func() { r.denies = nil })
		time.Sleep(31 * time.Second)
		if failed := failures(c); len(failed) != 0 {
			t.Errorf("half a minute after the permission is back: %v", failed)
		}
		time.Sleep(4 * time.Minute)
		if asked := r.change(func() {}); asked != 2*round {
			t.Errorf("%d questions in two rounds of %d", asked, round)
		}
		r.change(func() { r.denies = func(authorizationv1.ResourceAttributes) bool { return true } })
		time.Sleep(time.Minute)
		if failed := failures(c); len(failed) == 0 {
			t.Error("nobody noticed in five minutes that everything is gone")
		}
	})
}

func TestAnAnswerStandsWhileTheHostClusterIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reviewer{away: errors.New("connection refused")}
		c := run(t, r)
		for name, err := range failures(c) {
			if !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("%s: %v does not say why", name, err)
			}
		}
		if len(failures(c)) != len(c.Checks()) {
			t.Error("a server that could not ask is ready")
		}
		r.change(func() { r.away = nil })
		time.Sleep(6 * time.Second)
		if failed := failures(c); len(failed) != 0 {
			t.Fatalf("after the host cluster came back: %v", failed)
		}
		r.change(func() { r.away = errors.New("connection refused") })
		time.Sleep(10 * time.Minute)
		if failed := failures(c); len(failed) != 0 {
			t.Errorf("an outage of the host cluster took the server out: %v", failed)
		}
	})
}
