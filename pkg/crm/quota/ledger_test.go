// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// cluster is an API server with the optimistic lock of the real one.
type cluster struct {
	client.WithWatch
	writes atomic.Int32
	now    *clocktesting.FakeClock
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &cluster{now: clocktesting.NewFakeClock(time.Unix(1000, 0))}
	c.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.EnvironmentConfig{}, &v1alpha1.DeploymentRecord{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, under client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
			c.writes.Add(1)
			return under.SubResource(sub).Patch(ctx, o, p, options...)
		}}).Build()
	return c
}

// ledger of one program.
func (c *cluster) ledger(clock clock.Clock) *Ledger { return &Ledger{Live: c, Client: c, Clock: clock} }

func (c *cluster) status(t *testing.T) v1alpha1.EnvironmentConfigStatus {
	t.Helper()
	config := &v1alpha1.EnvironmentConfig{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: prod}, config); err != nil {
		t.Fatal(err)
	}
	return config.Status
}

// bounded is a configuration whose status is up to date.
func bounded(deployments, replicas *int32) *v1alpha1.EnvironmentConfig {
	config := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: prod, Generation: 1}}
	config.Spec.Quotas = v1alpha1.Quotas{Deployments: deployments, Replicas: replicas}
	config.Status.ObservedGeneration = 1
	return config
}

func ask(r v1alpha1.DeploymentRecord, before *v1alpha1.DeploymentRecord) Request {
	demand, err := Meter{}.Demand(context.Background(), &r)
	if err != nil {
		panic(err)
	}
	return Request{Environment: prod, Record: client.ObjectKeyFromObject(&r), Demand: demand, Before: before}
}

func TestRoomIsGivenAwayOnce(t *testing.T) {
	c := newCluster(t, bounded(new(int32(10)), nil))
	programs := []*Ledger{c.ledger(clock.RealClock{}), c.ledger(clock.RealClock{}), c.ledger(clock.RealClock{})}
	var given, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			_, err := programs[i%len(programs)].Reserve(t.Context(), ask(record(fmt.Sprintf("r%d", i), 1), nil))
			var exceeded *ExceededError
			switch {
			case err == nil:
				given.Add(1)
			case errors.As(err, &exceeded) && exceeded.Used.Value() == 10 && exceeded.Limit.Value() == 10:
				refused.Add(1)
			default:
				t.Errorf("Reserve: %v", err)
			}
		})
	}
	all.Wait()
	if given.Load() != 10 || refused.Load() != 50 {
		t.Errorf("%d were let in and %d refused, want 10 and 50", given.Load(), refused.Load())
	}
	if status := c.status(t); status.Used.Deployments != 10 || len(status.Reservations) != 10 {
		t.Errorf("status tells of %d deployments and %d reservations, want 10 of each", status.Used.Deployments, len(status.Reservations))
	}
}

func TestReserve(t *testing.T) {
	one, two := amount(1, 1, "1", "1Gi"), amount(1, 2, "2", "2Gi")
	running := record("a", 1, admittedIn(prod, one))
	tests := map[string]struct {
		config  *v1alpha1.EnvironmentConfig
		used    v1alpha1.UsedQuotas
		kept    []v1alpha1.QuotaReservation
		records []client.Object
		request Request
		// exceeded is the resource that has no room.
		exceeded string
		want     v1alpha1.UsedQuotas
		writes   int32
	}{
		"an environment without a configuration has room":       {request: ask(record("a", 1), nil)},
		"an environment without quotas has, and costs no write": {config: bounded(nil, nil), request: ask(record("a", 1), nil)},
		"a new record takes room": {
			config: bounded(nil, new(int32(2))), used: one, request: ask(record("b", 1), nil), want: amount(2, 2, "2", "2Gi"), writes: 1,
		},
		"a record that stays as large costs no write": {
			config: bounded(nil, new(int32(1))), used: one, request: ask(record("a", 1), &running), want: one,
		},
		"a record that grows takes the difference": {
			config: bounded(nil, new(int32(2))), used: one, request: ask(record("a", 2), &running), want: two, writes: 1,
		},
		"which may be too much": {
			config: bounded(nil, new(int32(2))), used: one, request: ask(record("a", 3), &running), want: one, exceeded: ResourceReplicas,
		},
		"a record that shrinks below a lowered quota is let in": {
			config: bounded(nil, new(int32(1))), used: amount(1, 5, "5", "5Gi"), want: amount(1, 5, "5", "5Gi"),
			request: ask(record("a", 4), new(record("a", 5, admittedIn(prod, amount(1, 5, "5", "5Gi"))))),
		},
		"trying again takes nothing more": {
			config: bounded(nil, new(int32(1))), used: one, kept: []v1alpha1.QuotaReservation{{Record: "ns/a", Amount: one, Expires: metav1.Unix(1060, 0)}},
			request: ask(record("a", 1), nil), want: one,
		},
		"but lengthens what would expire meanwhile": {
			config: bounded(nil, new(int32(1))), used: one, kept: []v1alpha1.QuotaReservation{{Record: "ns/a", Amount: one, Expires: metav1.Unix(1001, 0)}},
			request: ask(record("a", 1), nil), want: one, writes: 1,
		},
		"a record of another environment is new here": {
			config: bounded(new(int32(0)), nil), request: ask(record("a", 1), new(record("a", 1, admittedIn("test", one)))), exceeded: ResourceDeployments,
		},
		"a status from before the quotas is not believed": {
			config: func() *v1alpha1.EnvironmentConfig {
				config := bounded(new(int32(1)), nil)
				config.Generation = 2
				return config
			}(),
			records: []client.Object{&running}, request: ask(record("b", 1), nil), exceeded: ResourceDeployments,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects := tc.records
			if tc.config != nil {
				tc.config.Status.Used, tc.config.Status.Reservations = tc.used, tc.kept
				objects = append(objects, tc.config)
			}
			c := newCluster(t, objects...)
			ledger := c.ledger(c.now)
			checked := ledger.Check(t.Context(), tc.request)
			if c.writes.Load() != 0 {
				t.Errorf("Check wrote")
			}
			_, err := ledger.Reserve(t.Context(), tc.request)
			if (checked == nil) != (err == nil) {
				t.Errorf("Check says %v, Reserve %v", checked, err)
			}
			exceeded, _ := errors.AsType[*ExceededError](err)
			switch {
			case tc.exceeded == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case tc.exceeded != "" && (exceeded == nil || exceeded.Resource != tc.exceeded):
				t.Fatalf("err = %v, want %s to be exceeded", err, tc.exceeded)
			}
			if writes := c.writes.Load(); writes != tc.writes {
				t.Errorf("%d writes, want %d", writes, tc.writes)
			}
			if tc.config == nil {
				return
			}
			if got := c.status(t).Used; tc.exceeded == "" && !equality.Semantic.DeepEqual(got, tc.want) {
				t.Errorf("used = %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestReleaseGivesBackWhatWasKept(t *testing.T) {
	one := amount(1, 1, "1", "1Gi")
	running := record("a", 1, admittedIn(prod, one))
	tests := map[string]struct {
		request Request
		left    int
	}{
		"for a new record, all of it":            {request: ask(record("b", 1), nil)},
		"for one that grows, the difference":     {request: ask(record("a", 4), &running), left: 1},
		"where nothing was kept, nothing at all": {request: ask(record("a", 1), &running)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			config := bounded(nil, new(int32(4)))
			config.Status.Used = one
			c := newCluster(t, config)
			ledger := c.ledger(c.now)
			reservation, err := ledger.Reserve(t.Context(), tc.request)
			if err != nil {
				t.Fatal(err)
			}
			if err := ledger.Release(t.Context(), reservation); err != nil {
				t.Fatal(err)
			}
			if status := c.status(t); !equality.Semantic.DeepEqual(status.Used, one) || len(status.Reservations) != tc.left {
				t.Errorf("used = %+v with %d reservations, want what it was with %d", status.Used, len(status.Reservations), tc.left)
			}
		})
	}
}

func TestReserveEndsWithItsContext(t *testing.T) {
	c := newCluster(t, bounded(new(int32(10)), nil))
	ledger := c.ledger(c.now)
	leave, err := ledger.turns.enter(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.Reserve(ctx, ask(record("a", 1), nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want that the context ended", err)
	}
}
