// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package progress_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"oaas.io/oaas/hack/localcluster/progress"
)

type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestWriterNamesTheStepItsEndAndItsTime(t *testing.T) {
	out := &buffer{}
	c := testingclock.NewFakeClock(time.Unix(0, 0))
	w := progress.NewWriter(out, c, 0)

	end := w.Begin("building etcd")
	c.Step(2500 * time.Millisecond)
	end(nil)
	end = w.Begin("building kwok")
	c.Step(time.Second)
	end(errors.New("boom"))

	want := "building etcd ...\nbuilding etcd: done in 2.5s\nbuilding kwok ...\nbuilding kwok: failed after 1s\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriterShowsALongStepIsAlive(t *testing.T) {
	out := &buffer{}
	c := testingclock.NewFakeClock(time.Unix(0, 0))
	w := progress.NewWriter(out, c, 5*time.Second)
	end := w.Begin("building etcd")
	defer end(nil)

	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(out.String(), "still at it after") {
		if time.Now().After(deadline) {
			t.Fatalf("no sign of life in %q", out.String())
		}
		if c.HasWaiters() {
			c.Step(5 * time.Second)
		}
		time.Sleep(time.Millisecond)
	}
}
