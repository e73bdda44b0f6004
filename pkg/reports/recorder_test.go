// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/apis/pm"
)

// memory is a store that can fail and that counts writes.
type memory struct {
	mu      sync.Mutex
	states  map[types.NamespacedName]*pm.RuntimeState
	version int
	writes  int
	// order are the names in the order in which they were written.
	order  []string
	broken error
}

func newMemory() *memory { return &memory{states: map[types.NamespacedName]*pm.RuntimeState{}} }

func (m *memory) Cached(_ context.Context, key types.NamespacedName) (*pm.RuntimeState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[key], nil
}

func (m *memory) Apply(_ context.Context, key types.NamespacedName, change func(*pm.RuntimeState) bool) (*pm.RuntimeState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	state := &pm.RuntimeState{}
	if stored := m.states[key]; stored != nil {
		state = stored.DeepCopy()
	}
	state.Namespace, state.Name = key.Namespace, key.Name
	if !change(state) {
		return m.states[key], nil
	}
	m.version++
	m.writes++
	m.order = append(m.order, key.Name)
	state.ResourceVersion = strconv.Itoa(m.version)
	m.states[key] = state
	return state, nil
}

func (m *memory) get(id string) *pm.RuntimeState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[unitNamed(id).Key()]
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *memory) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// Owner knows every unit.
func (*memory) Owner(context.Context, Unit) (*Owner, error) {
	return &Owner{Name: "cart", UID: "1"}, nil
}

func unitNamed(id string) Unit {
	return Unit{Cluster: "a", DeploymentID: id, Namespace: "shop", ClassDeployment: "cart"}
}

type scene struct {
	*testing.T
	clock    *clocktesting.FakeClock
	store    *memory
	recorder *Recorder
	stop     func()
}

func newScene(t *testing.T, store *memory, clock *clocktesting.FakeClock, writesPerSecond float64) *scene {
	t.Helper()
	s := &scene{T: t, clock: clock, store: store, recorder: New(Config{Store: store, Units: store, Clock: clock, WritesPerSecond: writesPerSecond})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.recorder.Run(ctx)
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.stop)
	return s
}

func (s *scene) report(id string, health pm.RuntimeHealth, message string) Outcome {
	s.Helper()
	outcomes, err := s.recorder.Record(s.Context(), []Report{{Unit: unitNamed(id), Status: &Status{Health: health, Message: message, At: s.clock.Now()}}})
	if err != nil {
		s.Fatal(err)
	}
	return outcomes[0]
}

func (s *scene) until(what string, check func() bool) {
	s.Helper()
	err := wait.PollUntilContextTimeout(s.Context(), time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		s.Fatalf("waiting until %s: %v", what, err)
	}
}

func (s *scene) untilSays(id, message string) {
	s.Helper()
	s.until(fmt.Sprintf("%s says %q", id, message), func() bool {
		state := s.store.get(id)
		return state != nil && state.Status.Message == message
	})
}

func newTestClock() *clocktesting.FakeClock {
	return clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

func TestAFailedWriteIsTriedAgainWithTheLatestValues(t *testing.T) {
	s := newScene(t, newMemory(), newTestClock(), 0)
	s.store.breakDown(errors.New("etcd is away"))
	s.report("1", pm.RuntimeHealthy, "first")
	s.until("it failed", func() bool {
		s.recorder.mu.Lock()
		defer s.recorder.mu.Unlock()
		return s.recorder.entries[unitNamed("1").Key()].failures == 1
	})
	s.clock.Step(10 * time.Millisecond)
	s.report("1", pm.RuntimeUnhealthy, "second")
	s.store.breakDown(nil)
	if s.store.count() != 0 {
		t.Fatal("it was tried again without a pause")
	}
	s.clock.Step(longestPause)
	s.untilSays("1", "second")
}

func TestARepetitionIsRefreshedSeldom(t *testing.T) {
	s := newScene(t, newMemory(), newTestClock(), 0)
	s.report("1", pm.RuntimeHealthy, "same")
	s.untilSays("1", "same")
	for range 5 {
		s.clock.Step(DefaultInterval)
		s.report("1", pm.RuntimeHealthy, "same")
	}
	if got := s.store.count(); got != 1 {
		t.Errorf("reports that change nothing made %d writes within five intervals, want 1", got)
	}
	latest := s.clock.Now()
	s.clock.Step(DefaultInterval)
	s.until("the time is refreshed in the end", func() bool { return s.store.get("1").Status.StatusObservedAt.Time.Equal(latest) })
}

func TestAllUnitsTogetherAreBoundedAndChangesOfHealthGoFirst(t *testing.T) {
	const perSecond, units = 5, 20
	s := newScene(t, newMemory(), newTestClock(), perSecond)
	for i := range units {
		s.report(fmt.Sprint("u", i), pm.RuntimeHealthy, "first")
		s.clock.Step(time.Second)
		s.until("it is written", func() bool { return s.store.count() == i+1 })
	}
	s.clock.Step(time.Hour)
	// All bursts are used up at once.
	for i := range units {
		s.report(fmt.Sprint("u", i), pm.RuntimeHealthy, "second")
	}
	s.until("the burst is used up", func() bool { return s.store.count() == units+perSecond })
	s.report("u19", pm.RuntimeUnhealthy, "second")
	s.clock.Step(time.Millisecond)
	outcome := s.report("u19", pm.RuntimeUnhealthy, "down")
	if outcome != Accepted {
		t.Fatalf("outcome = %v", outcome)
	}
	before := s.store.count()
	if before > units+perSecond {
		t.Fatalf("%d writes without any time passing, want %d", before-units, perSecond)
	}
	for steps := 0; s.store.get("u19").Status.Message != "down"; steps++ {
		if steps > 2*ordinaryWorkers+urgentWorkers {
			t.Fatalf("the change of health waited for %d others", steps)
		}
		done := s.store.count()
		// Besides the clocks of the two queues.
		s.until("all workers that have something to write wait for the bound", func() bool { return s.clock.Waiters() == 2+ordinaryWorkers+1 })
		s.clock.Step(time.Second / perSecond)
		s.until("one more is written", func() bool { return s.store.count() > done })
	}
}

func TestAnotherReplicasWriteCountsForTheBound(t *testing.T) {
	clock, store := newTestClock(), newMemory()
	one, two := newScene(t, store, clock, 0), newScene(t, store, clock, 0)
	one.report("1", pm.RuntimeHealthy, "first")
	one.untilSays("1", "first")
	clock.Step(time.Millisecond)
	two.report("1", pm.RuntimeHealthy, "second")
	two.untilSays("1", "second")

	// Both have something to say at the end of the interval; one of them says it.
	clock.Step(DefaultInterval - time.Millisecond)
	one.report("1", pm.RuntimeHealthy, "third")
	clock.Step(time.Millisecond)
	two.report("1", pm.RuntimeHealthy, "fourth")
	two.untilSays("1", "fourth")
	if got := store.count(); got != 3 {
		t.Errorf("two replicas made %d writes, want 3: the first of each, and one for the interval", got)
	}
}

func TestNothingAcceptedIsLostAtTheEnd(t *testing.T) {
	s := newScene(t, newMemory(), newTestClock(), 1)
	for round := range 2 {
		for i := range 100 {
			s.report(fmt.Sprint("u", i), pm.RuntimeHealthy, fmt.Sprint("round ", round))
		}
		s.clock.Step(time.Millisecond)
	}
	s.stop()
	for i := range 100 {
		if state := s.store.get(fmt.Sprint("u", i)); state == nil || state.Status.Message != "round 1" {
			t.Errorf("unit %d: %+v, want the latest report", i, state)
		}
	}
	if s.recorder.Pending() != 0 {
		t.Errorf("%d reports are still pending", s.recorder.Pending())
	}
	if _, err := s.recorder.Record(t.Context(), nil); !errors.Is(err, ErrStopping) {
		t.Errorf("a report after the end: err = %v, want ErrStopping", err)
	}
}

func TestUnitsThatNobodyReportsAreForgotten(t *testing.T) {
	s := newScene(t, newMemory(), newTestClock(), 0)
	s.report("1", pm.RuntimeHealthy, "first")
	s.until("it is written", func() bool { return s.recorder.Pending() == 0 })
	s.clock.Step(forgetAfter + time.Second)
	s.report("2", pm.RuntimeHealthy, "first")
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	if len(s.recorder.entries) != 1 {
		t.Errorf("%d units are remembered, want 1", len(s.recorder.entries))
	}
}
