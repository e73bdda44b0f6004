// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/odgm/probe"
)

// TestPlannedGrid starts every node of a planned grid and asks them all, as the
// Class Runtime Manager does.
func TestPlannedGrid(t *testing.T) {
	grid, err := odgm.Plan(odgm.Input{
		Record: &v1alpha1.DeploymentRecord{
			ObjectMeta: metav1.ObjectMeta{Name: "cart", Namespace: "team-a"},
			Spec: v1alpha1.DeploymentRecordSpec{
				DeploymentUnit:    v1alpha1.DeploymentUnit{ID: "cart", ClassKey: "Cart"},
				TargetEnvironment: "dev",
				State:             &v1alpha1.ClassState{SupportsBatchOperations: true},
				Bindings:          []v1alpha1.MethodBinding{{Name: "add", FunctionKey: "add"}, {Name: "sum", FunctionKey: "none"}},
			},
		},
		Mode: v1alpha1.ODGMCluster, Image: "odgm:1",
		Functions: []odgm.Function{{Key: "add", URL: "http://cart-add.team-a.svc:80"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := probe.Grid{Wanted: grid.Status(), Members: grid.Members}
	targets := map[string]string{}
	for _, object := range grid.Objects() {
		set, ok := object.(*appsv1.StatefulSet)
		if !ok {
			continue
		}
		for ordinal := set.Spec.Ordinals.Start; ordinal < set.Spec.Ordinals.Start+*set.Spec.Replicas; ordinal++ {
			ip := fmt.Sprintf("10.0.0.%d", ordinal)
			variables := map[string]string{}
			for _, variable := range set.Spec.Template.Spec.Containers[0].Env {
				variables[variable.Name] = strings.NewReplacer("$(POD_IP)", ip, "$$", "$").Replace(variable.Value)
			}
			variables["POD_IP"], variables["ODGM_NODE_ID"] = ip, strconv.Itoa(int(ordinal))
			connection, stop := start(t, variables)
			defer stop()
			targets[net.JoinHostPort(ip, strconv.Itoa(int(grid.Port)))] = connection.Target()
			asked.Nodes = append(asked.Nodes, probe.Node{ID: uint64(ordinal), Pod: ip, IP: ip, Port: grid.Port, Ready: true})
		}
	}
	prober := probe.New(probe.Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(targets[address], "passthrough:///"))
	}})
	records := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer records.ShutDown()
	time.AfterFunc(10*time.Second, records.ShutDown)
	if err := prober.Start(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	prober.Probe(asked)
	records.Get() // once they have answered
	status, _ := prober.Probe(asked)
	if status.ReadyNodes != 3 || status.Nodes != 3 || status.Message != "" {
		t.Errorf("%d of %d nodes serve: %s", status.ReadyNodes, status.Nodes, status.Message)
	}
}
