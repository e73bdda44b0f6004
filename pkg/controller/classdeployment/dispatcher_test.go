// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestWhatIsAskedForIsSent(t *testing.T) {
	owner := types.NamespacedName{Namespace: "shop", Name: "cart"}
	wanted := &deploymentv1.DeploymentUnit{Id: key.id, Hash: "new"}
	tests := map[string]struct {
		known *task
		calls int
	}{
		"a unit that is not known is sent":                     {nil, 1},
		"one that is about to be sent is not sent twice":       {&task{owner: owner, unit: wanted, pending: true}, 0},
		"one that was accepted a moment ago is not sent again": {&task{owner: owner, unit: wanted, outcome: outcome{hash: "new", at: now.Add(-time.Second)}}, 0},
		"one that its cluster has not shown for long is":       {&task{owner: owner, unit: wanted, outcome: outcome{hash: "new", at: now.Add(-streamGrace)}}, 1},
		"one that was lost after all was settled is":           {&task{owner: owner, unit: wanted}, 1},
		"other content is sent at once": {
			&task{owner: owner, unit: &deploymentv1.DeploymentUnit{Id: key.id, Hash: "old"}, outcome: outcome{hash: "old", at: now}}, 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDispatcher(nil, clocktesting.NewFakePassiveClock(now), func(types.NamespacedName) {})
			// No workers: the calls stay in the queue, to be counted.
			d.spawn = func(func(context.Context)) {}
			if test.known != nil {
				d.tasks[key] = test.known
			}
			d.deploy(owner, key.cluster, wanted)
			calls := 0
			if lane, ok := d.lanes[key.cluster]; ok {
				defer lane.ShutDown()
				calls = lane.Len()
			}
			if calls != test.calls {
				t.Errorf("%d calls are waiting, want %d", calls, test.calls)
			}
		})
	}
}
