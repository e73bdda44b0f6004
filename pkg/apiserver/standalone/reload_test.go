// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/internal/polltest"
)

func TestAFileTakesEffectWhenItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "first")
	passed := clocktesting.NewFakeClock(time.Now())
	var tried []string
	failures := 0
	file := &watchedFile{
		flag: "--file", path: path, clock: passed,
		apply: func(_ context.Context, content []byte) error {
			tried = append(tried, string(content))
			if string(content) == "wrong" {
				return errors.New("wrong")
			}
			return nil
		},
		applied: func([]byte) {},
		failed:  func() { failures++ },
	}
	if err := file.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	// reload reads the file while it has each of the contents in turn.
	reload := func(contents ...string) {
		t.Helper()
		write(t, path, contents[0])
		done := make(chan struct{})
		go func() {
			defer close(done)
			file.reload(t.Context())
		}()
		for _, next := range append(contents[1:], contents[len(contents)-1]) {
			polltest.Until(t, "the file is read again after a while", passed.HasWaiters)
			write(t, path, next)
			passed.Step(settleFor)
		}
		<-done
	}
	reload("sec", "seco", "second")
	reload("wrong")
	file.reload(t.Context()) // the same again is not tried again
	if want := []string{"first", "second", "wrong"}; !slices.Equal(tried, want) || failures != 1 {
		t.Errorf("tried %q with %d failures, want %q with 1", tried, failures, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	file.reload(t.Context())
	if len(tried) != 3 || failures != 2 {
		t.Errorf("a file that is gone: tried %q with %d failures, want a failure and no more", tried, failures)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	write(t, path, "late")
	file.reload(ended)
	if len(tried) != 3 || failures != 2 {
		t.Errorf("at the end: tried %q with %d failures, want none", tried, failures)
	}
}
