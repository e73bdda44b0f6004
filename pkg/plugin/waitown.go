// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// waitForOwn returns when the Package Manager has brought the deployments that
// packages list to what the packages say. Until then what runs is still what an
// earlier package said, and would be taken for available. Like wait, it gives up
// when the context ends.
func (w *waiter) waitForOwn(ctx context.Context, results []applied) error {
	for _, r := range results {
		if r.kind.name != "Package" {
			continue
		}
		p, err := typed[pmv1alpha1.Package](r.object)
		if err != nil {
			return err
		}
		if len(p.Spec.Deployments) == 0 {
			continue
		}
		if err := w.waitUntilApplied(ctx, types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, p.Generation); err != nil {
			return err
		}
	}
	return nil
}

func (w *waiter) waitUntilApplied(ctx context.Context, name types.NamespacedName, generation int64) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	store, err := w.follow(following, kindNamed("Package"), name.Namespace, "metadata.name="+name.Name, changed)
	if err != nil {
		return err
	}
	// A conflict may pass, as when a deployment of that name is on its way out.
	var since time.Time
	ticker := w.clock.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		object, exists, err := store.GetByKey(name.String())
		if err != nil {
			return fmt.Errorf("reading %s: %w", title("Package", name.Name), err)
		}
		if exists {
			p, err := typed[pmv1alpha1.Package](object)
			if err != nil {
				return err
			}
			over, trouble := assessOwn(p, generation)
			switch {
			case over && trouble == "":
				return nil
			case trouble == "":
				since = time.Time{}
			case since.IsZero():
				since = w.clock.Now()
			case w.clock.Since(since) >= failureWindow:
				return withCode(ExitFailed, fmt.Errorf("failed:\n  %s: %s", title("Package", name.Name), trouble))
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errTimeout) {
				return withCode(ExitTimeout, fmt.Errorf("not applied after %s: the deployments of %s", w.timeout, title("Package", name.Name)))
			}
			return ended(ctx)
		case <-changed:
		case <-ticker.C():
		}
	}
}

// assessOwn tells whether the deployments that a package lists are as it says, and
// what is in the way.
func assessOwn(p *pmv1alpha1.Package, generation int64) (over bool, trouble string) {
	c := meta.FindStatusCondition(p.Status.Conditions, pmv1alpha1.PackageDeploymentsApplied)
	if c == nil || c.ObservedGeneration < generation {
		return false, ""
	}
	if c.Status == metav1.ConditionTrue {
		return true, ""
	}
	return false, oneLine(c.Message)
}
