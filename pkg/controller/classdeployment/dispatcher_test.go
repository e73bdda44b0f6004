// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// A finalizer that somebody took away ends a deployment before its units are
// sent: they must not be, for nobody would remove them.
func TestNothingIsSentForADeploymentThatIsGone(t *testing.T) {
	pool := crmclient.NewPool(crmclient.Options{})
	t.Cleanup(pool.Close)
	d := newDispatcher(pool, clock.RealClock{}, func(types.NamespacedName) {})
	gone, other := types.NamespacedName{Name: "gone"}, types.NamespacedName{Name: "other"}
	d.tasks[key] = &task{owner: gone, unit: &deploymentv1.DeploymentUnit{Id: "u"}, pending: true}
	d.tasks[unitKey{"a", "v"}] = &task{owner: other, unit: &deploymentv1.DeploymentUnit{Id: "v"}, pending: true}
	d.forgetOwner(gone)
	if d.tasks[key] != nil || d.tasks[unitKey{"a", "v"}] == nil {
		t.Errorf("wanted are %v, want the other deployment's unit alone", d.tasks)
	}
}
