// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestAssess(t *testing.T) {
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	tests := map[string]struct {
		deployment *pmv1alpha1.ClassDeployment
		verdict    Verdict
		line       string
	}{
		"a deployment that is not there was removed": {
			nil, VerdictRemoved, "Removed"},
		"a new deployment waits for the Package Manager": {
			makeDeployment("cart").observed(0).obj(), VerdictWaiting, "Pending, waits for: the Package Manager to take up the change"},
		"an Available condition of the generation before does not count": {
			makeDeployment("cart").observed(1).phase(pmv1alpha1.ClassDeploymentRunning).condition("Available", yes, "UnitsReady", "").obj(),
			VerdictWaiting, "Running, waits for: the Package Manager to take up the change"},
		"a condition that lags behind the status does not count": {
			makeDeployment("cart").observed(1).condition("Available", yes, "UnitsReady", "").observed(2).obj(),
			VerdictWaiting, "Pending, waits for: a plan"},
		"a plan that is missing says why": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentPending).condition("Planned", no, "PackageNotFound", "package shop is not there").obj(),
			VerdictWaiting, "Pending, waits for: package shop is not there"},
		"a condition without a message shows its reason": {
			makeDeployment("cart").condition("Dispatched", no, "Unreachable", "").obj(),
			VerdictWaiting, "Pending, waits for: Dispatched is False: Unreachable"},
		"a unit that starts is waited for by cluster": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDeploying).condition("Planned", yes, "Planned", "").
				unit(readyUnit("north")).unit(startingUnit("south", "1 of 2 pods\nis ready")).obj(),
			VerdictWaiting, "Deploying, 1/2 units available, 3/4 replicas ready, waits for: cluster south: 1 of 2 pods is ready"},
		"a unit without a message shows its step": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDeploying).unit(startingUnit("south", "")).obj(),
			VerdictWaiting, "Deploying, 0/1 units available, 1/2 replicas ready, waits for: cluster south: PodScheduling"},
		"an available deployment waits for nothing": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentRunning).condition("Available", yes, "UnitsReady", "").unit(readyUnit("north")).obj(),
			VerdictAvailable, "Running, 1/1 units available, 2/2 replicas ready"},
		"a deployment that serves with its old pods in part is waited for": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDeploying).condition("Available", yes, "UnitsAvailable", "").
				condition("Progressing", yes, "RollingOut", "1 of 2 pods is new").unit(readyUnit("north")).obj(),
			VerdictWaiting, "Deploying, 1/1 units available, 2/2 replicas ready, waits for: 1 of 2 pods is new"},
		"a unit that is being removed is not waited for": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDeploying).condition("Available", yes, "UnitsAvailable", "").
				condition("Progressing", yes, "Removing", "old is being removed").unit(readyUnit("north")).obj(),
			VerdictAvailable, "Deploying, 1/1 units available, 2/2 replicas ready"},
		"units that left the plan do not count": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentRunning).condition("Available", yes, "UnitsReady", "").
				unit(readyUnit("north")).unit(pmv1alpha1.DeploymentUnitStatus{Cluster: "old"}).obj(),
			VerdictAvailable, "Running, 1/1 units available, 2/2 replicas ready"},
		"a failed phase fails": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentFailed).condition("Planned", no, "ClassNotFound", "package shop has no class Cart").obj(),
			VerdictFailing, "Failed, because: package shop has no class Cart"},
		"an image that cannot be pulled fails": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDeploying).unit(brokenUnit("north", "Cart.add: ImagePullBackOff: not found")).obj(),
			VerdictFailing, "Deploying, 0/1 units available, 1/2 replicas ready, because: cluster north: Cart.add: ImagePullBackOff: not found"},
		"a cluster that does not answer is waited for": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDegraded).condition("Degraded", yes, "Unreachable", "cluster north does not answer").
				unit(startingUnit("north", "no answer for 30 s")).obj(),
			VerdictWaiting, "Degraded, 0/1 units available, 1/2 replicas ready, waits for: cluster north: no answer for 30 s"},
		"a crashing pod is named by the condition": {
			makeDeployment("cart").phase(pmv1alpha1.ClassDeploymentDegraded).condition("Degraded", yes, "CrashLoopBackOff", "Cart.add restarts").obj(),
			VerdictFailing, "Degraded, because: CrashLoopBackOff: Cart.add restarts"},
		"a deployment on its way out counts as removed": {
			makeDeployment("cart").deleting().unit(readyUnit("north")).obj(),
			VerdictRemoved, "Pending, 1/1 units available, 2/2 replicas ready, waits for: its removal from north (default-cart-dev)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Assess(tc.deployment, 0)
			if got.Verdict != tc.verdict || got.String() != tc.line {
				t.Errorf("got  %s: %s\nwant %s: %s", got.Verdict, got, tc.verdict, tc.line)
			}
		})
	}
}

func TestADeploymentCountsOnceItSpeaksOfThePackageThatWasApplied(t *testing.T) {
	for name, tc := range map[string]struct {
		told, applied int64
		want          Verdict
	}{
		"a package that was not applied":        {3, 0, VerdictAvailable},
		"no package yet when it was judged":     {0, 1, VerdictWaiting},
		"the package as it was before":          {3, 4, VerdictWaiting},
		"the package as it was applied":         {4, 4, VerdictAvailable},
		"the package changed again by somebody": {5, 4, VerdictAvailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := makeDeployment("cart").phase("Running").condition("Available", "True", "UnitsReady", "").unit(readyUnit("north")).obj()
			d.Status.PackageGeneration = tc.told
			got := Assess(d, tc.applied)
			if got.Verdict != tc.want {
				t.Errorf("verdict is %s, want %s", got.Verdict, tc.want)
			}
			if waits := strings.Contains(got.WaitsFor, "package"); waits != (tc.want == VerdictWaiting) {
				t.Errorf("waits for %q", got.WaitsFor)
			}
		})
	}
}

func TestADeploymentIsAwaitedWithItsOwnPackage(t *testing.T) {
	object := func(kind, namespace, name, packageName string, generation int64) applied {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
		if packageName != "" {
			u.Object["spec"] = map[string]any{"packageName": packageName}
		}
		u.SetNamespace(namespace)
		u.SetName(name)
		u.SetGeneration(generation)
		return applied{item: item{kind: kindNamed(kind)}, object: u}
	}
	listing := object("Package", "a", "shop", "", 7)
	listing.object.Object["spec"] = map[string]any{"deployments": []any{map[string]any{"name": "own"}}}
	got, err := toAwait([]applied{
		listing, object("Package", "b", "shop", "", 2),
		object("ClassDeployment", "a", "cart", "shop", 1), object("ClassDeployment", "b", "cart", "shop", 1),
		object("ClassDeployment", "a", "other", "elsewhere", 1),
	})
	want := []awaited{
		{NamespacedName: types.NamespacedName{Namespace: "a", Name: "own"}, packageGeneration: 7, own: true},
		{NamespacedName: types.NamespacedName{Namespace: "a", Name: "cart"}, packageGeneration: 7},
		{NamespacedName: types.NamespacedName{Namespace: "b", Name: "cart"}, packageGeneration: 2},
		{NamespacedName: types.NamespacedName{Namespace: "a", Name: "other"}},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("awaited %+v (%v), want %+v", got, err, want)
	}
}

func TestTrackerGivesUpOnlyWhenAFailurePersists(t *testing.T) {
	waiting, failing := Assessment{Verdict: VerdictWaiting}, Assessment{Verdict: VerdictFailing}
	available, removed := Assessment{Verdict: VerdictAvailable}, Assessment{Verdict: VerdictRemoved}
	type step struct {
		after time.Duration
		state Assessment
	}
	tests := map[string]struct {
		steps []step
		over  bool
	}{
		"waiting never ends by itself":          {[]step{{0, waiting}, {time.Hour, waiting}}, false},
		"a first failure is not the end":        {[]step{{0, failing}}, false},
		"a failure just short of the window":    {[]step{{0, failing}, {failureWindow - 1, failing}}, false},
		"a failure that fills the window":       {[]step{{0, failing}, {failureWindow, failing}}, true},
		"a recovery starts the window again":    {[]step{{0, failing}, {9 * time.Second, waiting}, {time.Second, failing}, {9 * time.Second, failing}}, false},
		"being available ends it at once":       {[]step{{0, failing}, {time.Second, available}}, true},
		"a removal by somebody ends it at once": {[]step{{0, removed}}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			track := tracker{}
			now := created
			over := false
			for _, s := range tc.steps {
				now = now.Add(s.after)
				_, over = track.observe(s.state, now)
			}
			if over != tc.over {
				t.Errorf("over = %t, want %t", over, tc.over)
			}
		})
	}
}

func TestFailuresTellWhyAndExitAccordingly(t *testing.T) {
	end := func(d *deployment, over bool) *outcome {
		o := &outcome{name: types.NamespacedName{Namespace: "default", Name: d.Name}, deployment: d.obj(), over: over}
		o.tracker.last = Assess(d.obj(), 0)
		return o
	}
	fine := end(makeDeployment("fine").phase("Running").condition("Available", "True", "UnitsReady", "").unit(readyUnit("north")), true)
	late := end(makeDeployment("late").phase("Deploying").
		condition("Progressing", "True", "Starting", "1 of 2 pods is ready").condition("Degraded", "False", "", "").
		unit(startingUnit("south", "1 of 2 pods is ready")), false)
	failed := end(makeDeployment("failed").phase("Failed").condition("Planned", "False", "ClassNotFound", "no class Cart"), true)
	tests := map[string]struct {
		outcomes []*outcome
		code     int
		parts    []string
	}{
		"all available":                        {[]*outcome{fine}, ExitOK, nil},
		"a timeout shows conditions and units": {[]*outcome{fine, late}, ExitTimeout, []string{"not available after 5m0s", "Progressing=True Starting: 1 of 2 pods is ready", "unit default-late-dev on cluster south"}},
		"a failure outweighs a timeout":        {[]*outcome{late, failed}, ExitFailed, []string{"failed:\n  classdeployment.pm.oaas.io/failed", "Planned=False ClassNotFound: no class Cart", "not available after"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := failures(tc.outcomes, 5*time.Minute)
			if ExitCode(err) != tc.code {
				t.Errorf("exit code %d, want %d (%v)", ExitCode(err), tc.code, err)
			}
			for _, part := range tc.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q:\n%v", part, err)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "fine") || strings.Contains(err.Error(), "Degraded=False")) {
				t.Errorf("the error speaks of what is in order:\n%v", err)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"success":       {nil, 0},
		"any error":     {errors.New("x"), 1},
		"wrong usage":   {usageErrorf("x"), 2},
		"a coded error": {withCode(ExitFailed, errors.New("x")), 4},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(tc.err); got != tc.want {
				t.Errorf("ExitCode = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestADeploymentThatAPackageListsIsWaitedForUntilItIsThere(t *testing.T) {
	o := &outcome{expected: true}
	if a := o.assess(); a.Verdict != VerdictWaiting || a.WaitsFor == "" {
		t.Errorf("before it is there: %+v, want to wait for it", a)
	}
	o.deployment = makeDeployment("cart").phase("Running").condition("Available", "True", "UnitsAvailable", "").obj()
	if a := o.assess(); a.Verdict != VerdictAvailable {
		t.Errorf("once it serves: %+v, want Available", a)
	}
	o.deployment = nil
	if a := o.assess(); a.Verdict != VerdictRemoved {
		t.Errorf("once it went: %+v, want Removed", a)
	}
}

func TestTheDeploymentsOfAPackageAreAppliedWhenItSaysSoOfItself(t *testing.T) {
	applied := func(generation int64, status metav1.ConditionStatus) *pmv1alpha1.Package {
		return &pmv1alpha1.Package{Status: pmv1alpha1.PackageStatus{Conditions: []metav1.Condition{
			{Type: pmv1alpha1.PackageDeploymentsApplied, Status: status, ObservedGeneration: generation, Message: "why"},
		}}}
	}
	for name, test := range map[string]struct {
		pkg     *pmv1alpha1.Package
		over    bool
		trouble string
	}{
		"nobody looked yet":               {pkg: &pmv1alpha1.Package{}},
		"an earlier generation":           {pkg: applied(1, "True")},
		"as it says":                      {pkg: applied(2, "True"), over: true},
		"a conflict of this generation":   {pkg: applied(2, "False"), trouble: "why"},
		"a conflict of an earlier one":    {pkg: applied(1, "False")},
		"a later generation will do, too": {pkg: applied(3, "True"), over: true},
	} {
		t.Run(name, func(t *testing.T) {
			if over, trouble := assessOwn(test.pkg, 2); over != test.over || trouble != test.trouble {
				t.Errorf("over %t, trouble %q; want %t, %q", over, trouble, test.over, test.trouble)
			}
		})
	}
}
