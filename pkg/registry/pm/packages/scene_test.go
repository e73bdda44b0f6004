// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	testingclock "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
)

const namespace = "shop"

// scene is an etcd with two servers on it, each with a watch cache of its own.
// The clock stands still until the test moves it.
type scene struct {
	testing.TB
	one, two    *REST
	clock       *testingclock.FakePassiveClock
	deployments *fakeDeployments
}

func newScene(tb testing.TB) *scene {
	tb.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	config := storagebackend.NewDefaultConfig("/test", serializer.NewCodecFactory(scheme).LegacyCodec(v1alpha1.SchemeGroupVersion))
	config.Transport.ServerList = []string{startEtcd(tb)}
	s := &scene{
		TB:          tb,
		clock:       testingclock.NewFakePassiveClock(time.Now()),
		deployments: &fakeDeployments{},
	}
	open := func() *REST {
		options := generic.RESTOptions{
			StorageConfig: config.ForResource(pm.Resource("packages")), Decorator: registry.StorageWithCacher(),
			ResourcePrefix: "packages", DeleteCollectionWorkers: 1,
		}
		store, err := OpenStore(scheme, options)
		if err != nil {
			tb.Fatal(err)
		}
		notices, err := OpenNotices(options)
		if err != nil {
			tb.Fatal(err)
		}
		served := NewREST(store.Object, notices, s.deployments, s.clock)
		tb.Cleanup(served.Destroy)
		return served
	}
	s.one, s.two = open(), open()
	return s
}

// ctx is that of a request in the namespace.
func (s *scene) ctx() context.Context { return request.WithNamespace(s.Context(), namespace) }

func startEtcd(tb testing.TB) string {
	tb.Helper()
	// The path must be short enough for a socket, which that of tb.TempDir may not be.
	dir, err := os.MkdirTemp("", "pkg") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	options := &embeddedetcd.Options{Enabled: true, DataDir: dir}
	etcd, err := options.Start(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(etcd.Close)
	return options.Endpoint()
}

type fakeDeployments struct{ all []*pm.ClassDeployment }

func (f *fakeDeployments) Using(_ context.Context, _, packageName string) ([]*pm.ClassDeployment, error) {
	var using []*pm.ClassDeployment
	for _, d := range f.all {
		if d.Spec.PackageName == packageName {
			using = append(using, d)
		}
	}
	return using, nil
}

// pkg makes a package. needs are such as "b", "b >=1" or "b >=1 : f, g", where f
// and g are functions of b that it binds.
func pkg(name, version string, needs ...string) *pm.Package {
	p := &pm.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: pm.PackageSpec{
			Version:   version,
			Functions: []pm.FunctionDefinition{{Key: "f", Type: pm.FunctionBuiltin}, {Key: "g", Type: pm.FunctionBuiltin}},
		},
	}
	setNeeds(p, needs...)
	return p
}

func setNeeds(p *pm.Package, needs ...string) {
	p.Spec.Dependencies, p.Spec.Classes = nil, nil
	var bindings []pm.FunctionBinding
	for _, text := range needs {
		text, functions, _ := strings.Cut(text, ":")
		name, versions, _ := strings.Cut(strings.TrimSpace(text), " ")
		p.Spec.Dependencies = append(p.Spec.Dependencies, pm.PackageDependency{Name: name, Version: versions})
		for function := range strings.FieldsFuncSeq(functions, func(r rune) bool { return r == ' ' || r == ',' }) {
			bindings = append(bindings, pm.FunctionBinding{
				Name: name + "-" + function, FunctionKey: name + "." + function, AccessModifier: pm.AccessPublic,
			})
		}
	}
	if len(bindings) > 0 {
		p.Spec.Classes = []pm.ClassDefinition{{Key: "C", FunctionBindings: bindings}}
	}
}

func withoutFunction(key string) func(*pm.Package) {
	return func(p *pm.Package) {
		p.Spec.Functions = slices.DeleteFunc(p.Spec.Functions, func(f pm.FunctionDefinition) bool { return f.Key == key })
	}
}

func (s *scene) create(p *pm.Package) error {
	_, err := s.one.Create(s.ctx(), p, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	return err
}

func (s *scene) mustCreate(packages ...*pm.Package) {
	s.Helper()
	for _, p := range packages {
		if err := s.create(p); err != nil {
			s.Fatalf("create %s: %v", p.Name, err)
		}
	}
}

// update changes a package through the other server.
func (s *scene) update(name string, change func(*pm.Package)) error {
	info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, existing runtime.Object) (runtime.Object, error) {
		p := existing.DeepCopyObject().(*pm.Package)
		change(p)
		return p, nil
	})
	_, _, err := s.two.Update(s.ctx(), name, info, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	return err
}

func (s *scene) delete(name string, policy ...metav1.DeletionPropagation) error {
	options := &metav1.DeleteOptions{}
	if len(policy) > 0 {
		options.PropagationPolicy = &policy[0]
	}
	_, _, err := s.one.Delete(s.ctx(), name, rest.ValidateAllObjectFunc, options)
	return err
}

// get reads a package from etcd; nil when there is none.
func (s *scene) get(name string) *pm.Package {
	s.Helper()
	p, err := s.one.edges.fresh(s.ctx(), namespace, name)
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// notices are those that stand: "a needs b c", or "b is taken from".
func (s *scene) notices() []string {
	s.Helper()
	var all []string
	for _, about := range []concern{needing, taking} {
		standing, _, err := s.one.edges.notices.standing(s.ctx(), namespace, about)
		if err != nil {
			s.Fatal(err)
		}
		for _, p := range standing {
			text := p.Name + " is taken from"
			if about == needing {
				text = p.Name + " needs " + texts(needsOf(&p))
			}
			all = append(all, text)
		}
	}
	return all
}

// expire does what etcd does with notices that nobody withdrew.
func (s *scene) expire() {
	s.Helper()
	for _, about := range []concern{needing, taking} {
		standing, _, err := s.one.edges.notices.standing(s.ctx(), namespace, about)
		if err != nil {
			s.Fatal(err)
		}
		for _, p := range standing {
			if err := s.one.edges.notices.withdraw(s.ctx(), &notice{key: noticesOf(namespace, about) + string(p.UID)}); err != nil {
				s.Fatal(err)
			}
		}
	}
}

// expectDependents compares those that depend on a package with texts such as
// "a >=1 : f g": as the rules see them, and once they are listed as people see them.
// And nothing may be under way any more.
func (s *scene) expectDependents(name string, want ...string) {
	s.Helper()
	left, revision, err := s.one.edges.notices.standing(s.ctx(), namespace, needing)
	if err != nil {
		s.Fatal(err)
	}
	found, err := s.one.edges.dependents(s.ctx(), namespace, name, revision)
	if err != nil {
		s.Fatal(err)
	}
	if err := s.one.Dependents().Refresh(s.ctx(), namespace, name); err != nil {
		s.Fatal(err)
	}
	p := s.get(name)
	if p == nil {
		s.Fatalf("package %s is gone", name)
	}
	var seen, listed []string
	for _, d := range found {
		seen = append(seen, texts(map[string]need{d.name: d.need}))
	}
	for _, d := range p.Status.Dependents {
		listed = append(listed, texts(map[string]need{d.Name: {versions: d.Version, functions: d.Functions}}))
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		s.Errorf("the dependents of %s differ (-want +got):\n%s", name, diff)
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		s.Errorf("the listed dependents of %s differ (-want +got):\n%s", name, diff)
	}
	if int(p.Status.DependentCount) != len(want) {
		s.Errorf("%s has the count of dependents %d, want %d", name, p.Status.DependentCount, len(want))
	}
	if len(left) > 0 {
		s.Errorf("notices are left: %v", s.notices())
	}
}

// expectError fails unless an error is what a client should see. An empty want is
// no error; otherwise the first word is the reason.
func expectError(t *testing.T, err error, want string, texts ...string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("got %v, want no error", err)
		}
		return
	}
	if got := string(apierrors.ReasonForError(err)); got != want {
		t.Fatalf("got the error %v (%s), want %s", err, got, want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}
