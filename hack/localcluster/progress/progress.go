// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package progress tells a waiting person what takes the time.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Reporter hears of every step that may take more than a moment.
type Reporter interface {
	// Begin announces a step and returns the function to call at its end,
	// exactly once, with the error that the step ended with.
	Begin(step string) (end func(error))
}

// Discard is a Reporter that stays silent.
type Discard struct{}

// Begin implements Reporter.
func (Discard) Begin(string) func(error) { return func(error) {} }

// OrDiscard returns r, or a silent Reporter for nil.
func OrDiscard(r Reporter) Reporter {
	if r == nil {
		return Discard{}
	}
	return r
}

// Writer writes a line for the start and the end of every step, and a sign of
// life in between, so that a build of several minutes never looks like a hang.
type Writer struct {
	out       io.Writer
	clock     clock.WithTicker
	heartbeat time.Duration

	mu sync.Mutex
}

var _ Reporter = (*Writer)(nil)

// NewWriter returns a Writer to out that repeats the running step every
// heartbeat; zero means never.
func NewWriter(out io.Writer, c clock.WithTicker, heartbeat time.Duration) *Writer {
	return &Writer{out: out, clock: c, heartbeat: heartbeat}
}

// Begin implements Reporter.
func (w *Writer) Begin(step string) func(error) {
	start := w.clock.Now()
	w.printf("%s ...\n", step)
	done := make(chan struct{})
	if w.heartbeat > 0 {
		go w.beat(step, start, done)
	}
	return func(err error) {
		close(done)
		elapsed := w.elapsed(start)
		if err != nil {
			w.printf("%s: failed after %s\n", step, elapsed)
			return
		}
		w.printf("%s: done in %s\n", step, elapsed)
	}
}

func (w *Writer) beat(step string, start time.Time, done <-chan struct{}) {
	ticker := w.clock.NewTicker(w.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C():
			w.printf("%s: still at it after %s\n", step, w.elapsed(start))
		}
	}
}

func (w *Writer) elapsed(start time.Time) time.Duration {
	return w.clock.Since(start).Round(100 * time.Millisecond)
}

func (w *Writer) printf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.out, format, args...)
}
