// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"oaas.io/oaas/pkg/apis/pm/dependency"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	pmclient "oaas.io/oaas/pkg/generated/clientset/versioned/typed/pm/v1alpha1"
	"oaas.io/oaas/pkg/packagegraph"
)

const (
	// raceTimeVariable sets how long the clients of the race test work, such as 30s.
	raceTimeVariable = "OAAS_RACE_TIME"
	defaultRaceTime  = 5 * time.Second
	raceClients      = 16
	// raceNames is few, so that the clients meet.
	raceNames     = 9
	raceNamespace = "race"
)

// onEtcdOf makes a server share the etcd of another one.
func onEtcdOf(first *server) func(*Options) {
	return func(o *Options) {
		o.EmbeddedEtcd.Enabled, o.EmbeddedEtcd.DataDir = false, ""
		o.Etcd.StorageConfig.Transport.ServerList = []string{first.etcd}
	}
}

// TestPackagesThatDependOnEachOtherUnderConcurrency has many clients create,
// change and delete packages that depend on each other, on two servers that share
// an etcd. Whatever was accepted must hold together, at any moment and in the end.
func TestPackagesThatDependOnEachOtherUnderConcurrency(t *testing.T) {
	raceTime := defaultRaceTime
	if text := os.Getenv(raceTimeVariable); text != "" {
		var err error
		if raceTime, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", raceTimeVariable, err)
		}
	}
	one := runServer(t, dataFolder(t))
	two := runServer(t, dataFolder(t), onEtcdOf(one))

	var tally sync.Map
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		// On a machine that is busy, it takes longer until the test proves something.
		deadline := time.Now().Add(raceTime + time.Minute)
		time.Sleep(raceTime)
		for hardly(&tally) != "" && time.Now().Before(deadline) {
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
	}()
	var clients sync.WaitGroup
	for i := range raceClients {
		client := one.client
		if i%2 == 1 {
			client = two.client
		}
		clients.Go(func() {
			racer{T: t, client: client.PmV1alpha1().Packages(raceNamespace), random: rand.New(rand.NewPCG(uint64(i), 1)), tally: &tally}.run(ctx)
		})
	}
	clients.Go(func() { watchInvariant(ctx, t, two.client) })
	clients.Wait()

	tally.Range(func(what, times any) bool {
		t.Logf("%s: %d", what, times.(*atomic.Int64).Load())
		return true
	})
	if verb := hardly(&tally); verb != "" {
		t.Errorf("hardly any %s was accepted: the test proves nothing", verb)
	}
	expectWhole(t, listRace(t.Context(), t, one.client))
	expectNoNotices(t, one.etcd)
	expectTrueLists(t, one)
}

// hardly names a verb of which too few were accepted to prove anything.
func hardly(tally *sync.Map) string {
	for _, verb := range []string{"create", "update", "delete"} {
		if times, found := tally.Load(verb + " accepted"); !found || times.(*atomic.Int64).Load() < 10 {
			return verb
		}
	}
	return ""
}

// racer is one client.
type racer struct {
	*testing.T
	client pmclient.PackageInterface
	random *rand.Rand
	tally  *sync.Map
}

func (r racer) run(ctx context.Context) {
	for ctx.Err() == nil {
		name := r.name()
		var err error
		var what string
		// Requests are not cut off with the test: that is for the crash tests.
		calls := context.WithoutCancel(ctx)
		switch r.random.IntN(6) {
		case 0, 1:
			what = "create"
			_, err = r.client.Create(calls, r.pkg(name), metav1.CreateOptions{})
		case 2:
			what = "update"
			var p *v1alpha1.Package
			if p, err = r.client.Get(calls, name, metav1.GetOptions{}); err == nil {
				p.Spec = r.pkg(name).Spec
				_, err = r.client.Update(calls, p, metav1.UpdateOptions{})
			}
		case 3:
			// A PUT without a version overwrites, and creates what is not there.
			what = "update"
			_, err = r.client.Update(calls, r.pkg(name), metav1.UpdateOptions{})
		case 4:
			what = "apply"
			body := fmt.Sprintf(`{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":%q},"spec":{"version":"%d.0","dependencies":[{"name":%q}]}}`,
				name, 1+r.random.IntN(2), r.name())
			_, err = r.client.Patch(calls, name, types.ApplyPatchType, []byte(body), metav1.PatchOptions{FieldManager: "race", Force: new(true)})
		case 5:
			what = "delete"
			err = r.client.Delete(calls, name, metav1.DeleteOptions{})
		}
		switch {
		case err == nil:
			r.count(what + " accepted")
		case apierrors.IsInvalid(err), apierrors.IsConflict(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err):
			r.count(what + " refused: " + string(apierrors.ReasonForError(err)))
		default:
			r.Errorf("%s %s: %v", what, name, err)
		}
	}
}

func (r racer) count(what string) {
	times, _ := r.tally.LoadOrStore(what, new(atomic.Int64))
	times.(*atomic.Int64).Add(1)
}

func (r racer) name() string { return fmt.Sprintf("p%d", r.random.IntN(raceNames)) }

// pkg makes a package with a few dependencies, some with ranges and bindings.
func (r racer) pkg(name string) *v1alpha1.Package {
	p := echoPackage(name)
	p.Namespace = raceNamespace
	p.Spec.Version = fmt.Sprintf("%d.%d", 1+r.random.IntN(2), r.random.IntN(3))
	if r.random.IntN(3) > 0 {
		p.Spec.Functions = append(p.Spec.Functions, v1alpha1.FunctionDefinition{Key: "extra", Type: v1alpha1.FunctionBuiltin})
	}
	for _, i := range r.random.Perm(raceNames)[:r.random.IntN(3)] {
		needed := v1alpha1.PackageDependency{Name: fmt.Sprintf("p%d", i)}
		if r.random.IntN(2) == 0 {
			needed.Version = fmt.Sprintf("^%d", 1+r.random.IntN(2))
		}
		p.Spec.Dependencies = append(p.Spec.Dependencies, needed)
		if r.random.IntN(2) == 0 {
			p.Spec.Classes[0].FunctionBindings = append(p.Spec.Classes[0].FunctionBindings,
				v1alpha1.FunctionBinding{Name: "of-" + needed.Name, FunctionKey: needed.Name + ".extra"})
		}
	}
	return p
}

func listRace(ctx context.Context, t *testing.T, client versioned.Interface) map[string]*v1alpha1.Package {
	t.Helper()
	list, err := client.PmV1alpha1().Packages(raceNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]*v1alpha1.Package{}
	for i := range list.Items {
		packages[list.Items[i].Name] = &list.Items[i]
	}
	return packages
}

// watchInvariant looks at what is stored while the clients work. A list is of one
// moment, so it must hold together too.
func watchInvariant(ctx context.Context, t *testing.T, client versioned.Interface) {
	t.Helper()
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		list, err := client.PmV1alpha1().Packages(raceNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		packages := map[string]*v1alpha1.Package{}
		for i := range list.Items {
			packages[list.Items[i].Name] = &list.Items[i]
		}
		return !expectWhole(t, packages), nil
	})
	if err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

// expectWhole fails unless every dependency is there and fits, every bound
// function is there, and nothing depends on itself.
func expectWhole(t *testing.T, packages map[string]*v1alpha1.Package) (whole bool) {
	t.Helper()
	whole = true
	graph := packagegraph.Graph{}
	for name, p := range packages {
		for _, needed := range p.Spec.Dependencies {
			graph.Add(name, needed.Name)
			target := packages[needed.Name]
			switch {
			case target == nil:
				t.Errorf("%s depends on %s, which does not exist", name, needed.Name)
				whole = false
			case !dependency.Accepts(needed.Version, target.Spec.Version):
				t.Errorf("%s depends on %s %s, which has version %s", name, needed.Name, needed.Version, target.Spec.Version)
				whole = false
			}
		}
		for _, bound := range boundElsewhere(p) {
			target, function, _ := dependency.SplitFunctionKey(bound)
			if packages[target] == nil || !hasFunction(packages[target], function) {
				t.Errorf("%s binds %s, which does not exist", name, bound)
				whole = false
			}
		}
	}
	for name := range packages {
		if path := graph.Cycle(name); path != nil {
			t.Errorf("packages depend on each other: %s", strings.Join(path, " -> "))
			return false
		}
	}
	return whole
}

func boundElsewhere(p *v1alpha1.Package) []string {
	var keys []string
	for _, class := range p.Spec.Classes {
		for _, binding := range class.FunctionBindings {
			if !hasFunction(p, binding.FunctionKey) {
				keys = append(keys, binding.FunctionKey)
			}
		}
	}
	return keys
}

func hasFunction(p *v1alpha1.Package, key string) bool {
	return slices.ContainsFunc(p.Spec.Functions, func(f v1alpha1.FunctionDefinition) bool { return f.Key == key })
}

// expectTrueLists compares the lists of dependents with the dependencies, as soon as
// the lists have been brought up to date.
func expectTrueLists(t *testing.T, s *server) {
	t.Helper()
	var diff string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		stored := listRace(ctx, t, s.client)
		want, got := map[string][]string{}, map[string][]string{}
		for name, p := range stored {
			if err := s.dependents.Refresh(ctx, raceNamespace, name); err != nil {
				return false, err
			}
			for _, needed := range p.Spec.Dependencies {
				want[needed.Name] = append(want[needed.Name], name+" "+needed.Version)
			}
			for _, d := range p.Status.Dependents {
				got[name] = append(got[name], d.Name+" "+d.Version)
			}
			if int(p.Status.DependentCount) != len(p.Status.Dependents) {
				got[name] = append(got[name], fmt.Sprint("count ", p.Status.DependentCount))
			}
		}
		for name := range want {
			slices.Sort(want[name])
		}
		diff = cmp.Diff(want, got)
		return diff == "", nil
	})
	if err != nil {
		t.Errorf("%v: the dependents differ (-want +got):\n%s", err, diff)
	}
}

// expectNoNotices fails when a write that has ended left a notice: nothing was cut
// off.
func expectNoNotices(t *testing.T, etcd string) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd}, Context: t.Context()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	all, err := client.Get(t.Context(), "", clientv3.WithFromKey(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, entry := range all.Kvs {
		if strings.Contains(string(entry.Key), "/packagenotices/") {
			t.Errorf("the notice %s is left", entry.Key)
		}
		stored++
	}
	if stored == 0 {
		t.Error("etcd holds nothing at all: the test looks at the wrong place")
	}
}
