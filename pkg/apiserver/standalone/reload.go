// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apiserver/pkg/util/filesystem"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// pollInterval is how often a file is looked at where the system does not tell
// of its changes.
const pollInterval = time.Minute

// settleFor is how long a file must stay as it is before a change takes effect.
// One that is written in place can be read half way, and half a binding gives
// more rights than the whole one.
const settleFor = 500 * time.Millisecond

// watchedFile is a file that takes effect whenever it changes. Content that is
// wrong changes nothing but the log and a metric.
type watchedFile struct {
	// flag names the file in errors and in the log.
	flag, path string
	// apply makes the content take effect, or returns an error and leaves what was.
	apply func(ctx context.Context, content []byte) error
	// applied and failed count what came of a change.
	applied func(content []byte)
	failed  func()
	clock   clock.Clock

	// seen is the content that was tried last, right or wrong.
	seen []byte
}

// load reads the file for the first time: wrong content is an error.
func (f *watchedFile) load(ctx context.Context) error {
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.flag, err)
	}
	if err := f.apply(ctx, content); err != nil {
		return fmt.Errorf("%s=%s: %w", f.flag, f.path, err)
	}
	f.seen = content
	return nil
}

// watch reads the file again whenever it changes, until the context ends.
func (f *watchedFile) watch(ctx context.Context) {
	log := klog.FromContext(ctx).WithValues("flag", f.flag, "file", f.path)
	filesystem.WatchUntil(ctx, pollInterval, f.path, func() { f.reload(ctx) }, func(err error) {
		log.Error(err, "The file is looked at from time to time only", "interval", pollInterval)
	})
}

func (f *watchedFile) reload(ctx context.Context) {
	log := klog.FromContext(ctx).WithValues("flag", f.flag, "file", f.path)
	content, err := f.settled(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		f.failed()
		log.Error(err, "What was read before stays in effect")
		return
	}
	if bytes.Equal(content, f.seen) {
		return
	}
	if err := f.apply(ctx, content); err != nil {
		if ctx.Err() != nil {
			return
		}
		f.seen = content
		f.failed()
		log.Error(err, "What was read before stays in effect")
		return
	}
	f.seen = content
	f.applied(content)
	log.Info("The file has changed and is in effect")
}

// settled returns the content once it is what was seen before, or has not changed
// for a while.
func (f *watchedFile) settled(ctx context.Context) ([]byte, error) {
	content, err := os.ReadFile(f.path)
	for err == nil && !bytes.Equal(content, f.seen) {
		select {
		case <-f.clock.After(settleFor):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		before := content
		if content, err = os.ReadFile(f.path); bytes.Equal(content, before) {
			break
		}
	}
	return content, err
}
