// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"testing"
	"time"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
)

// A replica that becomes the leader has links already, which tell nothing any
// more: its controllers learn what happened while nobody led from what is there.
func TestControllersThatStartWithFullLinksMissNothing(t *testing.T) {
	loopback := startServer(t)
	s := scene{T: t, client: must(newLoopbackClient(loopback))(t), namespace: "later"}
	at := newRemote(t)
	s.cluster("later", at)
	s.pkg()
	s.deployment("kept", "later")

	pool := crmclient.NewPool(quickLinks())
	t.Cleanup(pool.Close)
	run := func(work func(context.Context) error) (stop func()) {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- work(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	lead := func() (stop func()) {
		return run(func(ctx context.Context) error {
			return RunControllers(ctx, ControllerConfig{Loopback: loopback, Pool: pool, HealthInterval: 200 * time.Millisecond})
		})
	}
	stopLinks := run(func(ctx context.Context) error {
		return RunLinks(ctx, LinkConfig{Loopback: loopback, Pool: pool, Interval: 200 * time.Millisecond})
	})
	t.Cleanup(stopLinks)
	s.eventually("the links to be full", func() bool {
		state, ok := pool.State("later")
		return ok && state.Reliable()
	})

	stop := lead()
	s.waitForPhase("kept", pmv1alpha1.ClassDeploymentRunning)
	stop()
	at.lose(s.id("kept"))
	s.deployment("new", "later")
	s.eventually("the links to tell of the loss", func() bool {
		link, ok := pool.Get("later")
		return ok && link.Record(s.id("kept")).Record == nil
	})

	t.Cleanup(lead())
	s.waitForPhase("new", pmv1alpha1.ClassDeploymentRunning)
	s.eventually("the lost unit to be sent again", func() bool { return at.record(s.id("kept")) != nil })
	s.waitForPhase("kept", pmv1alpha1.ClassDeploymentRunning)
}
