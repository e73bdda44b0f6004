// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// TestWhatNodesSayIsTold deploys a data grid whose pods are ready and run nothing: the
// status tells what asking them came to, although nothing else happens to the record
// any more.
func TestWhatNodesSayIsTold(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{ODGM: v1alpha1.EnvironmentODGM{Image: "registry.example/odgm:1"}})
	unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
		u.Environment, u.Template, u.State = environment.Name, "deployment", &deploymentv1.ClassState{}
	})
	p.deploy(t, unit)
	eventually(t, "the nodes were asked", func(ctx context.Context) error {
		records := &v1alpha1.DeploymentRecordList{}
		if err := c.List(ctx, records, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range records.Items {
			grid := records.Items[i].Status.ODGMClusterStatus
			if grid == nil || grid.LastProbeTime == nil || len(grid.Members) != 2 {
				return fmt.Errorf("the grid is told as %+v", grid)
			}
			for _, member := range grid.Members {
				// What answers at the address of a pod that runs nothing differs from machine
				// to machine.
				if !member.Ready && !strings.HasPrefix(member.Message, "cannot be reached") && !strings.HasPrefix(member.Message, "did not answer") {
					return fmt.Errorf("node %d %s", member.ID, member.Message)
				}
			}
		}
		return nil
	})
	assertComesToRest(t, c, namespace)
}
