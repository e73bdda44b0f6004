// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package selfcheck tells which of the permissions that the server needs in its
// host cluster are missing. Without it, a rule that somebody removed shows as a
// write that hangs, or as an informer that never has anything.
package selfcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/healthz"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// DefaultInterval is the time between two rounds with all permissions there.
	DefaultInterval = 5 * time.Minute
	// whileMissing and whileUnknown are that time with a permission missing, and
	// when the host cluster did not answer, unless the interval is shorter.
	whileMissing = 30 * time.Second
	whileUnknown = 5 * time.Second
)

// errUnknown is the verdict before the first answer.
var errUnknown = errors.New("the host cluster has not been asked yet")

// Checker asks the host cluster, now and then, what the server may do there. A
// probe costs no request.
type Checker struct {
	reviews authorizationclient.SelfSubjectAccessReviewInterface
	rules   []Rule
	// interval is the time between two rounds with all permissions there.
	interval time.Duration
	clock    clock.Clock

	mu sync.RWMutex
	// verdicts are the last answers, in the order of the rules.
	verdicts []error
}

// New returns a checker of rules that asks in the given interval, and more often
// while something is missing. It knows nothing before Run.
func New(
	reviews authorizationclient.SelfSubjectAccessReviewInterface, rules []Rule, interval time.Duration, clock clock.Clock,
) *Checker {
	verdicts := make([]error, len(rules))
	for i := range verdicts {
		verdicts[i] = errUnknown
	}
	return &Checker{reviews: reviews, rules: rules, interval: interval, clock: clock, verdicts: verdicts}
}

// Checks returns one readiness check for each rule.
func (c *Checker) Checks() []healthz.HealthChecker {
	checks := make([]healthz.HealthChecker, len(c.rules))
	for i, rule := range c.rules {
		checks[i] = healthz.NamedCheck("rbac-"+rule.Name, func(*http.Request) error {
			c.mu.RLock()
			defer c.mu.RUnlock()
			return c.verdicts[i]
		})
	}
	return checks
}

// Run asks at once and then again and again, until ctx ends.
func (c *Checker) Run(ctx context.Context) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("rbac"))
	complained := false
	for ctx.Err() == nil {
		missing, unanswered := c.round(ctx)
		again := c.interval
		switch {
		case missing != nil:
			again, complained = min(whileMissing, c.interval), true
			klog.FromContext(ctx).Error(missing, "Not ready: permissions are missing in the host cluster")
		case unanswered != nil:
			again = min(whileUnknown, c.interval)
			klog.FromContext(ctx).Error(unanswered, "Cannot ask what the server may do in the host cluster")
		case complained:
			complained = false
			klog.FromContext(ctx).Info("All permissions in the host cluster are back")
		}
		select {
		case <-ctx.Done():
		case <-c.clock.After(again):
		}
	}
}

// round asks about every rule, and returns what is missing and what was not
// answered. An answer stands until the next one.
func (c *Checker) round(ctx context.Context) (missing, unanswered error) {
	for i, rule := range c.rules {
		verdict, err := c.ask(ctx, rule)
		if err != nil {
			unanswered = errors.Join(unanswered, err)
			c.set(i, func(before error) error {
				if before == nil || errors.As(before, new(*missingError)) {
					return before
				}
				return fmt.Errorf("%w: %w", errUnknown, err)
			})
			continue
		}
		missing = errors.Join(missing, verdict)
		c.set(i, func(error) error { return verdict })
	}
	return missing, unanswered
}

func (c *Checker) set(i int, change func(before error) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdicts[i] = change(c.verdicts[i])
}

// missingError says what a role lacks.
type missingError struct {
	rule Rule
	// lacks are verbs by resource, as "list namespaces".
	lacks []string
}

// Error implements error.
func (e *missingError) Error() string {
	return fmt.Sprintf("the server may not %s: give it back to %s, see %s", strings.Join(e.lacks, ", nor "), e.rule.Role, Manifest)
}

// ask returns what of a rule the server lacks, if anything.
func (c *Checker) ask(ctx context.Context, rule Rule) (missing, err error) {
	var lacks []string
	for _, attributes := range rule.attributes() {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
		answer, err := c.reviews.Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask whether the server may %s: %w", describe(attributes), err)
		}
		if !answer.Status.Allowed {
			lacks = append(lacks, describe(attributes))
		}
	}
	if len(lacks) == 0 {
		return nil, nil
	}
	return &missingError{rule: rule, lacks: lacks}, nil
}

// attributes are the questions that a rule comes down to.
func (r Rule) attributes() []authorizationv1.ResourceAttributes {
	names := r.Names
	if len(names) == 0 {
		names = []string{""}
	}
	var list []authorizationv1.ResourceAttributes
	for _, path := range r.Resources {
		resource, subresource, _ := strings.Cut(path, "/")
		for _, name := range names {
			for _, verb := range r.Verbs {
				list = append(list, authorizationv1.ResourceAttributes{
					Namespace: r.Namespace, Verb: verb, Group: r.Group, Resource: resource, Subresource: subresource, Name: name,
				})
			}
		}
	}
	return list
}

func describe(a authorizationv1.ResourceAttributes) string {
	text := a.Verb + " " + a.Resource
	if a.Subresource != "" {
		text += "/" + a.Subresource
	}
	if a.Group != "" {
		text += "." + a.Group
	}
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace != "" {
		text += " in namespace " + a.Namespace
	}
	return text
}
