// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

const (
	// withdrawWithin bounds what follows a write that has ended. The client waits for
	// it, so that what it does next is not refused for the sake of what has ended.
	withdrawWithin = 10 * time.Second
	// patience is how long a write that needs something waits for one that may take
	// it away. The other one decides in a moment, unless its server died. So the
	// pauses between two looks grow from firstPause to longestPause: until the notice
	// of a dead server ends, all who need that package would else keep etcd busy.
	patience     = 3 * time.Second
	firstPause   = 10 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// write is one write of a package, which may be its deletion. The checks run right
// before the package is stored, perhaps several times: when the stored package
// changed meanwhile, or when a generated name was taken. They post notices of what
// the write is about to do; end withdraws them.
type write struct {
	edges  *edges
	dryRun bool
	// notices are those that were posted, or may have been.
	notices []*notice
	// takes is true when one of them tells that something is taken away.
	takes bool
	// tried is true when the last check passed, and the package may therefore have
	// been stored.
	tried bool
}

func (e *edges) begin(dryRun bool) *write { return &write{edges: e, dryRun: dryRun} }

// onCreate checks a new package after everything else was checked.
func (w *write) onCreate(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		w.tried = false
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		return w.try(w.announce(ctx, obj.(*pm.Package), nil))
	}
}

// onUpdate checks a changed package after everything else was checked.
func (w *write) onUpdate(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		w.tried = false
		if validate != nil {
			if err := validate(ctx, obj, old); err != nil {
				return err
			}
		}
		updated, stored := obj.(*pm.Package), old.(*pm.Package)
		if err := w.keepPromises(ctx, updated, stored); err != nil {
			return err
		}
		return w.try(w.announce(ctx, updated, stored))
	}
}

func (w *write) try(err error) error {
	w.tried = err == nil
	return err
}

// announce posts what a package is about to need and did not need before, and
// refuses what cannot be had and what would close a cycle. old is nil for a new
// package. Nothing can depend on a package that does not exist, so a new one closes
// no cycle; neither does one that nobody ever depended on.
func (w *write) announce(ctx context.Context, p, old *pm.Package) error {
	needs, had := needsOf(p), needsOf(old)
	adds := false
	for name, needed := range needs {
		before, found := had[name]
		if found && before.equal(needed) {
			delete(needs, name)
		}
		adds = adds || !found
	}
	if len(needs) == 0 {
		return nil
	}
	if !w.dryRun {
		if err := w.post(ctx, needing, draft(p, needs)); err != nil {
			return err
		}
		if err := w.giveWay(ctx, p, needs); err != nil {
			return err
		}
	}
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		problems, err := w.edges.require(ctx, p, name, needs[name], w.dryRun)
		if err != nil {
			return err
		}
		errs = append(errs, problems...)
	}
	if len(errs) > 0 {
		return invalid(p, errs)
	}
	if !adds || old == nil || !dependedOn(old) {
		return nil
	}
	path, pending, err := w.edges.cycle(ctx, p)
	if err != nil || path == nil {
		return err
	}
	return cycleError(p, path, pending)
}

// invalid tells the client what is wrong with a package, as far as that is read: a
// package may bind tens of thousands of functions that another one has not.
func invalid(p *pm.Package, errs field.ErrorList) error {
	return apierrors.NewInvalid(pm.Kind("Package"), p.Name, stored.Bounded(errs))
}

func (w *write) post(ctx context.Context, about concern, content *pm.Package) error {
	at := newNotice(about, content)
	// Noted before it is done: a request that is cut off may still be carried out.
	w.notices = append(w.notices, at)
	return w.edges.notices.post(ctx, at)
}

// giveWay waits for the writes that may take away what a package needs. Those never
// wait, but a write that does both would wait for one that waits for it.
func (w *write) giveWay(ctx context.Context, p *pm.Package, needs map[string]need) error {
	var taken string
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pauses := wait.Backoff{Duration: firstPause, Factor: 1.5, Jitter: 0.1, Cap: longestPause, Steps: math.MaxInt32}
	err := pauses.DelayFunc().Until(waiting, true, false, func(context.Context) (bool, error) {
		takers, _, err := w.edges.notices.standing(ctx, p.Namespace, taking)
		if err != nil {
			return false, err
		}
		taken = ""
		for i := range takers {
			if _, needed := needs[takers[i].Name]; needed {
				taken = takers[i].Name
			}
		}
		return taken == "" || w.takes, nil
	})
	if taken != "" && ctx.Err() == nil && (err == nil || wait.Interrupted(err)) {
		return apierrors.NewConflict(pm.Resource("packages"), p.Name, fmt.Errorf(
			"a change of package %q that is under way may take away what this one needs: try again", taken))
	}
	return err
}

// takeFrom posts that something is about to be taken away from a package, and
// returns who depends on it and which writes are about to make somebody need
// something. From here on nobody else begins to depend on the package until the
// write has ended.
func (w *write) takeFrom(ctx context.Context, p *pm.Package) (dependents []dependent, drafts []pm.Package, err error) {
	if !w.dryRun && !w.takes {
		content := &pm.Package{}
		content.Namespace, content.Name = p.Namespace, p.Name
		if err := w.post(ctx, taking, content); err != nil {
			return nil, nil, err
		}
		w.takes = true
	}
	// In this order: who is no longer about to need something does, or never will.
	drafts, revision, err := w.edges.notices.standing(ctx, p.Namespace, needing)
	if err != nil {
		return nil, nil, err
	}
	dependents, err = w.edges.dependents(ctx, p.Namespace, p.Name, revision)
	return dependents, drafts, err
}

func cycleError(p *pm.Package, path []string, pending bool) error {
	circle := strings.Join(path, " -> ")
	if pending {
		return apierrors.NewConflict(pm.Resource("packages"), p.Name,
			fmt.Errorf("with a change that is under way the dependencies would close the cycle %s: try again", circle))
	}
	index := slices.IndexFunc(p.Spec.Dependencies, func(d pm.PackageDependency) bool { return d.Name == path[1] })
	return apierrors.NewInvalid(pm.Kind("Package"), p.Name, field.ErrorList{field.Invalid(
		field.NewPath("spec", "dependencies").Index(index).Child("name"), path[1],
		fmt.Sprintf("closes the cycle %s: remove one of these dependencies", circle))})
}

// end withdraws the notices of a write that ended with the given error.
func (w *write) end(ctx context.Context, outcome error) {
	if outcome != nil && w.tried && !refused(outcome) {
		// Nobody knows whether the package was stored, or still will be. The notices
		// hold until it can no longer happen.
		return
	}
	// The client may be gone already, which is no reason to leave things behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer cancel()
	for _, posted := range w.notices {
		if err := w.edges.notices.withdraw(ctx, posted); err != nil {
			klog.FromContext(ctx).Error(err, "What a write of a package told others is not taken back, and ends by itself",
				"notice", posted.key, "after", w.edges.notices.life)
		}
	}
}

// refused is true for an error which says that nothing was stored.
func refused(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError &&
		code != http.StatusRequestTimeout && code != http.StatusTooManyRequests
}
