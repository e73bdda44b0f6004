// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// waiter waits for deployments to become available.
type waiter struct {
	*connection
	clock    clock.WithTicker
	progress *progress
	// timeout is what the contexts of the waits end after, for messages.
	timeout time.Duration
}

// awaited is a deployment to wait for.
type awaited struct {
	types.NamespacedName
	// packageGeneration is the generation of its package that must be deployed.
	packageGeneration int64
	// own is true for a deployment that the Package Manager makes because a package
	// lists it, and that may not be there yet.
	own bool
}

// outcome is a deployment at the end of a wait.
type outcome struct {
	name       types.NamespacedName
	generation int64
	deployment *pmv1alpha1.ClassDeployment
	tracker    tracker
	over       bool
	// expected is true until a deployment that somebody else makes was seen.
	expected bool
}

// assess judges the present state.
func (o *outcome) assess() Assessment {
	if o.deployment != nil {
		o.expected = false
	}
	if o.expected {
		return Assessment{Verdict: VerdictWaiting, Phase: string(pmv1alpha1.ClassDeploymentPending), WaitsFor: "the Package Manager to make it"}
	}
	return Assess(o.deployment, o.generation)
}

// lookup finds the present state of a deployment; nil when there is none.
type lookup func(types.NamespacedName) (*pmv1alpha1.ClassDeployment, error)

// wait returns when every deployment is available, has failed or was removed, or
// when the context ends; after a timeout the error says which are late and why.
func (w *waiter) wait(ctx context.Context, wanted []awaited) ([]*outcome, error) {
	outcomes := make([]*outcome, 0, len(wanted))
	for _, a := range wanted {
		outcomes = append(outcomes, &outcome{name: a.NamespacedName, generation: a.packageGeneration, expected: a.own})
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	find, err := w.followDeployments(following, wanted, changed)
	if err != nil {
		return outcomes, err
	}
	started := w.clock.Now()
	ticker := w.clock.NewTicker(time.Second)
	defer ticker.Stop()
	defer w.progress.clear()
	for {
		done, err := w.look(outcomes, find, started)
		if err != nil {
			return outcomes, err
		}
		if done {
			return outcomes, failures(outcomes, 0)
		}
		select {
		case <-ctx.Done():
			if err := ended(ctx); !errors.Is(err, errTimeout) {
				return outcomes, err
			}
			return outcomes, failures(outcomes, w.timeout)
		case <-changed:
		case <-ticker.C():
		}
	}
}

// look takes in the present states and shows them.
func (w *waiter) look(outcomes []*outcome, find lookup, started time.Time) (done bool, err error) {
	now := w.clock.Now()
	done = true
	// Those that are still of interest come first: a long block is cut.
	var block, finished, news []string
	for _, o := range outcomes {
		if !o.over {
			if o.deployment, err = find(o.name); err != nil {
				return false, err
			}
			var changed bool
			changed, o.over = o.tracker.observe(o.assess(), now)
			if changed {
				news = append(news, progressLine(o))
			}
		}
		if o.over {
			finished = append(finished, progressLine(o))
		} else {
			block = append(block, progressLine(o))
		}
		done = done && o.over
	}
	block = append(block, finished...)
	if len(block) > 1 {
		block = append(block, fmt.Sprintf("%d of %d deployments available", available(outcomes), len(outcomes)))
	}
	block[len(block)-1] += fmt.Sprintf(" (%s)", now.Sub(started).Round(time.Second))
	w.progress.show(block, news)
	return done, nil
}

func available(outcomes []*outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.tracker.last.Verdict == VerdictAvailable {
			n++
		}
	}
	return n
}

func progressLine(o *outcome) string {
	return title("ClassDeployment", o.name.Name) + ": " + o.tracker.last.String()
}

// followDeployments watches the namespaces of the deployments.
func (w *waiter) followDeployments(ctx context.Context, wanted []awaited, changed chan<- struct{}) (lookup, error) {
	stores := map[string]cache.Store{}
	for _, name := range wanted {
		if stores[name.Namespace] != nil {
			continue
		}
		selector := ""
		if len(wanted) == 1 {
			selector = "metadata.name=" + name.Name
		}
		store, err := w.follow(ctx, kindNamed("ClassDeployment"), name.Namespace, selector, changed)
		if err != nil {
			return nil, err
		}
		stores[name.Namespace] = store
	}
	return func(name types.NamespacedName) (*pmv1alpha1.ClassDeployment, error) {
		object, exists, err := stores[name.Namespace].GetByKey(name.String())
		if err != nil || !exists {
			return nil, err
		}
		return typed[pmv1alpha1.ClassDeployment](object)
	}, nil
}

// failures tells why a wait did not end well; timeout is 0 when it was not cut
// short. A failure outweighs a timeout, because it needs a change.
func failures(outcomes []*outcome, timeout time.Duration) error {
	var failed, late []string
	for _, o := range outcomes {
		switch {
		case o.tracker.last.Verdict == VerdictAvailable:
		case o.over:
			failed = append(failed, explainOutcome(o))
		default:
			late = append(late, explainOutcome(o))
		}
	}
	var parts []string
	code := ExitTimeout
	if len(failed) > 0 {
		code = ExitFailed
		parts = append(parts, "failed:\n"+strings.Join(failed, "\n"))
	}
	if len(late) > 0 {
		parts = append(parts, fmt.Sprintf("not available after %s:\n%s", timeout, strings.Join(late, "\n")))
	}
	if len(parts) == 0 {
		return nil
	}
	return withCode(code, errors.New(strings.Join(parts, "\n")))
}

// explainOutcome lists what the conditions and the units say.
func explainOutcome(o *outcome) string {
	lines := []string{"  " + progressLine(o)}
	if o.deployment == nil {
		return lines[0]
	}
	for _, c := range o.deployment.Status.Conditions {
		if isNews(c) {
			lines = append(lines, fmt.Sprintf("    %s=%s %s: %s", c.Type, c.Status, c.Reason, oneLine(c.Message)))
		}
	}
	for _, unit := range o.deployment.Status.Units {
		if !unit.Available {
			lines = append(lines, fmt.Sprintf("    unit %s on cluster %s: %s", unit.DeploymentID, unit.Cluster, unitText(unit)))
		}
	}
	return strings.Join(lines, "\n")
}

// isNews tells whether a condition says that something is not as it should be:
// Degraded and Progressing when they are not False, all others when not True.
func isNews(c metav1.Condition) bool {
	switch c.Type {
	case pmv1alpha1.ClassDeploymentDegradedCondition, pmv1alpha1.ClassDeploymentProgressing:
		return c.Status != metav1.ConditionFalse
	}
	return c.Status != metav1.ConditionTrue
}
