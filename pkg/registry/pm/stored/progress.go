// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"
)

// progressPause is the time between two requests. etcd answers the first one in a
// moment, unless the watch has something else to tell just then: it leaves out the
// answer in that case.
const progressPause = 10 * time.Millisecond

// AskForProgress has etcd tell the watch cache how far it is, until stop is called. Who
// waits for the cache to be as new as a revision would else wait for the next write.
func AskForProgress(ctx context.Context, store storage.Interface) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := store.RequestWatchProgress(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).V(4).Info("Cannot ask etcd for the progress of a watch", "err", err)
		}
	}, progressPause)
	return stop
}
