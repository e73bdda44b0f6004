// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/reports"
)

const (
	accepted = packagev1.ReportOutcome_REPORT_OUTCOME_ACCEPTED
	outdated = packagev1.ReportOutcome_REPORT_OUTCOME_OUTDATED
	unknown  = packagev1.ReportOutcome_REPORT_OUTCOME_UNKNOWN_UNIT

	healthy   = packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY
	unhealthy = packagev1.RuntimeHealth_RUNTIME_HEALTH_UNHEALTHY
)

func newClock() *clocktesting.FakeClock { return clocktesting.NewFakeClock(time.Now()) }

func unit(id string) *packagev1.Unit {
	return &packagev1.Unit{Namespace: namespace, DeploymentId: id, ClassDeployment: "cart"}
}

// statusAt reports one unit of cluster a and returns what became of it.
func statusAt(t *testing.T, client packagev1.PackageServiceClient, id string, health packagev1.RuntimeHealth, message string, at time.Time) packagev1.ReportOutcome {
	t.Helper()
	response, err := client.ReportDeploymentStatus(t.Context(), &packagev1.ReportDeploymentStatusRequest{
		Cluster: "a", Statuses: []*packagev1.UnitStatus{{Unit: unit(id), Health: health, Message: message, ObservedAt: timestamppb.New(at)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetResults()[0].GetOutcome()
}

func metricsAt(t *testing.T, client packagev1.PackageServiceClient, id string, total *packagev1.Metrics, at time.Time) packagev1.ReportOutcome {
	t.Helper()
	response, err := client.ReportRuntimeMetrics(t.Context(), &packagev1.ReportRuntimeMetricsRequest{
		Cluster: "a", Metrics: []*packagev1.UnitMetrics{{
			Unit: unit(id), Total: total, ObservedAt: timestamppb.New(at),
			Functions: []*packagev1.FunctionMetrics{{FunctionKey: "add", Metrics: total}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetResults()[0].GetOutcome()
}

func want(t *testing.T, what string, got, want packagev1.ReportOutcome) {
	t.Helper()
	if got != want {
		t.Errorf("%s: outcome = %v, want %v", what, got, want)
	}
}

func (s *stores) waitForMessage(t *testing.T, state, message string) *pm.RuntimeState {
	t.Helper()
	var found *pm.RuntimeState
	polltest.Until(t, fmt.Sprintf("%s says %q", state, message), func() bool {
		found = s.state(t, state)
		return found != nil && found.Status.Message == message
	})
	return found
}

func TestAReportBecomesARuntimeState(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	deployment := s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	client := serve(t, s, clock, reports.Config{}).as(t, a.own(t))

	at := clock.Now()
	want(t, "status", statusAt(t, client, "cart-1", healthy, "", at), accepted)
	noisy, bytes := 0.1+0.2, int64(256<<20)
	want(t, "metrics", metricsAt(t, client, "cart-1", &packagev1.Metrics{
		CpuCores: &noisy, MemoryBytes: &bytes, RequestsPerSecond: new(1200.0), ErrorRate: new(0.1 * 0.2), LatencyP95Ms: &noisy,
		Replicas: 3, ReadyReplicas: 2,
	}, at), accepted)

	polltest.Until(t, "the status is stored", func() bool { return s.state(t, "a.cart-1") != nil })
	clock.Step(reports.DefaultInterval)
	var state *pm.RuntimeState
	polltest.Until(t, "the metrics are stored", func() bool {
		state = s.state(t, "a.cart-1")
		return state.Status.MetricsObservedAt != nil
	})
	wantSpec := pm.RuntimeStateSpec{
		Cluster: "a", DeploymentID: "cart-1", ClassDeployment: "cart", Environment: "prod", PackageName: "shop-pkg", ClassKey: "Cart",
	}
	if state.Spec != wantSpec {
		t.Errorf("spec = %+v, want %+v", state.Spec, wantSpec)
	}
	if owners := state.OwnerReferences; len(owners) != 1 || owners[0].UID != deployment.UID || owners[0].Kind != "ClassDeployment" {
		t.Errorf("owners = %+v, want the class deployment", owners)
	}
	total := state.Status.Total
	if state.Status.Health != pm.RuntimeHealthy || total.CPU.String() != "300m" || total.Memory.String() != "256Mi" ||
		total.RequestsPerSecond != "1200" || total.ErrorRate != "0.02" || total.LatencyP95Ms != "0.3" || total.LatencyP50Ms != "" ||
		total.ReadyReplicas != 2 || len(state.Status.Functions) != 1 {
		t.Errorf("status = %+v", state.Status)
	}
	table, err := s.storage[resources.RuntimeStates].(rest.TableConvertor).ConvertToTable(t.Context(), state, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(table.Rows[0].Cells[:8]); got != "[a.cart-1 a shop-pkg.Cart Healthy 2/3 1200 2.00% 0.3ms]" {
		t.Errorf("table row = %s", got)
	}
}

func TestReportsDoNotGoBackInTime(t *testing.T) {
	clock, database := newClock(), newEtcd(t)
	s := database.open(t)
	a := s.join(t, "a")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	replica := serve(t, s, clock, reports.Config{})
	client := replica.as(t, a.own(t))
	now := clock.Now()

	want(t, "the first", statusAt(t, client, "cart-1", healthy, "second", now), accepted)
	s.waitForMessage(t, "a.cart-1", "second")
	want(t, "an older one", statusAt(t, client, "cart-1", unhealthy, "first", now.Add(-time.Second)), outdated)
	want(t, "the same again", statusAt(t, client, "cart-1", healthy, "second", now), accepted)
	want(t, "a newer one", statusAt(t, client, "cart-1", healthy, "fourth", now.Add(2*time.Second)), accepted)
	want(t, "one between, before the newer one is written", statusAt(t, client, "cart-1", unhealthy, "third", now.Add(time.Second)), outdated)
	want(t, "metrics have a time of their own", metricsAt(t, client, "cart-1", &packagev1.Metrics{}, now.Add(-time.Minute)), accepted)
	want(t, "a unit that is not planned", statusAt(t, client, "cart-9", healthy, "", now), unknown)

	replica.stop()
	state := s.state(t, "a.cart-1")
	if state.Status.Message != "fourth" || state.Status.Health != pm.RuntimeHealthy || state.Status.MetricsObservedAt == nil {
		t.Errorf("after an orderly stop: %+v, want what was accepted last", state.Status)
	}

	// A server that has just started knows what is stored.
	client = serve(t, database.open(t), clock, reports.Config{}).as(t, a.own(t))
	want(t, "an older one after a restart", statusAt(t, client, "cart-1", unhealthy, "third", now.Add(time.Second)), outdated)
}

func TestTwoReplicasKeepTheOrder(t *testing.T) {
	clock, shared := newClock(), newEtcd(t)
	one, two := shared.open(t), shared.open(t)
	a := one.join(t, "a")
	one.deploy(t, "cart", "shop-pkg", "a/cart-1")
	polltest.Until(t, "the second replica knows the unit and the cluster", func() bool {
		owner, err := two.objects.Owner(t.Context(), reports.Unit{Cluster: "a", DeploymentID: "cart-1", Namespace: namespace, ClassDeployment: "cart"})
		clusters, errClusters := two.objects.allClusters(t.Context())
		return err == nil && owner != nil && errClusters == nil && len(clusters) == 1
	})
	first, second := serve(t, one, clock, reports.Config{}), serve(t, two, clock, reports.Config{})
	now := clock.Now()

	want(t, "the newer one at the first", statusAt(t, first.as(t, a.own(t)), "cart-1", healthy, "newer", now), accepted)
	// The second may not know yet; what it has taken must not win when it writes.
	_ = statusAt(t, second.as(t, a.own(t)), "cart-1", unhealthy, "older", now.Add(-time.Second))
	polltest.Until(t, "the newer one is stored", func() bool {
		// The first waits for the bound where the second was faster.
		clock.Step(reports.DefaultInterval)
		state := one.state(t, "a.cart-1")
		return state != nil && state.Status.Message == "newer"
	})
	clock.Step(time.Hour)
	second.stop()
	first.stop()
	if state := one.state(t, "a.cart-1"); state.Status.Message != "newer" {
		t.Errorf("status = %+v, want the newer one", state.Status)
	}
}

// writes counts the changes of a runtime state by its resource versions.
func (s *stores) watchWrites(t *testing.T) func() int {
	t.Helper()
	ctx := genericapirequest.WithNamespace(t.Context(), namespace)
	watcher, err := s.storage[resources.RuntimeStates].(rest.Watcher).Watch(ctx, &internalversion.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	count := 0
	return func() int {
		for {
			select {
			case event := <-watcher.ResultChan():
				if _, ok := event.Object.(*pm.RuntimeState); ok {
					count++
				}
			default:
				return count
			}
		}
	}
}

func TestAUnitIsWrittenAtABoundedRate(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	client := serve(t, s, clock, reports.Config{}).as(t, a.own(t))
	writes := s.watchWrites(t)

	report := func(i int, health packagev1.RuntimeHealth) {
		t.Helper()
		want(t, fmt.Sprint("report ", i), statusAt(t, client, "cart-1", health, fmt.Sprint("message ", i), clock.Now()), accepted)
	}
	report(0, healthy)
	s.waitForMessage(t, "a.cart-1", "message 0")
	for i := 1; i <= 50; i++ {
		clock.Step(reports.DefaultInterval / 100)
		report(i, healthy)
	}
	if state := s.state(t, "a.cart-1"); state.Status.Message != "message 0" {
		t.Fatalf("after half the interval %q is stored, want nothing new", state.Status.Message)
	}
	for i := 51; i <= 100; i++ {
		clock.Step(reports.DefaultInterval / 100)
		report(i, healthy)
	}
	polltest.Until(t, "the latest values are written when the interval is over", func() bool {
		return s.state(t, "a.cart-1").Status.Message != "message 0"
	})
	if got := writes(); got > 2 {
		t.Errorf("101 reports within one interval made %d writes, want 2", got)
	}

	// A change of the health does not wait for the interval.
	clock.Step(reports.DefaultUrgentInterval)
	report(200, unhealthy)
	s.waitForMessage(t, "a.cart-1", "message 200")
}

func TestDeletedStatesComeBackWithTheNextReport(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	client := serve(t, s, clock, reports.Config{}).as(t, a.own(t))
	want(t, "the first", statusAt(t, client, "cart-1", healthy, "", clock.Now()), accepted)
	cached := func() *pm.RuntimeState {
		state, err := s.states.Cached(t.Context(), reports.Unit{Cluster: "a", DeploymentID: "cart-1", Namespace: namespace}.Key())
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	// Not only stored: what the cache has not seen yet looks as if it were deleted.
	polltest.Until(t, "the cache knows it", func() bool { return cached() != nil })

	ctx := genericapirequest.WithNamespace(t.Context(), namespace)
	if _, _, err := s.storage[resources.RuntimeStates].(rest.GracefulDeleter).Delete(ctx, "a.cart-1", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "the cache has noticed", func() bool { return cached() == nil })
	clock.Step(time.Minute)
	want(t, "the next", statusAt(t, client, "cart-1", healthy, "", clock.Now()), accepted)
	polltest.Until(t, "it is stored again", func() bool { return s.state(t, "a.cart-1") != nil })
}

func TestNothingIsWrittenForAUnitThatIsGone(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	replica := serve(t, s, clock, reports.Config{})
	client := replica.as(t, a.own(t))
	want(t, "the first", statusAt(t, client, "cart-1", healthy, "first", clock.Now()), accepted)
	s.waitForMessage(t, "a.cart-1", "first")
	clock.Step(time.Millisecond)
	want(t, "one that waits", statusAt(t, client, "cart-1", healthy, "second", clock.Now()), accepted)
	s.list(t, "cart")
	replica.stop()
	if state := s.state(t, "a.cart-1"); state.Status.Message != "first" {
		t.Errorf("message = %q: written for a unit that is gone", state.Status.Message)
	}
}

// Users have no way to write.
func TestUsersCannotWrite(t *testing.T) {
	served := newEtcd(t).open(t).storage[resources.RuntimeStates]
	for name, can := range map[string]bool{
		"create": is[rest.Creater](served), "update": is[rest.Updater](served), "patch": is[rest.Patcher](served), "create named": is[rest.NamedCreater](served),
	} {
		if can {
			t.Errorf("users can %s runtime states", name)
		}
	}
	for name, can := range map[string]bool{
		"get": is[rest.Getter](served), "list": is[rest.Lister](served), "watch": is[rest.Watcher](served),
		"delete": is[rest.GracefulDeleter](served), "deletecollection": is[rest.CollectionDeleter](served),
	} {
		if !can {
			t.Errorf("users cannot %s runtime states", name)
		}
	}
}

func is[T any](storage rest.Storage) bool {
	_, ok := storage.(T)
	return ok
}
