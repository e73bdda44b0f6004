// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// functions of each record.
const functions = 2

// childrenOfRecord are a Deployment and a Service for each function.
const childrenOfRecord = 2 * functions

// unit is record number i of a run.
func unit(namespace string, i int) *deploymentv1.DeploymentUnit {
	u := &deploymentv1.DeploymentUnit{
		Id:                 fmt.Sprintf("%s-%05d", namespace, i),
		Namespace:          namespace,
		ClassDeployment:    fmt.Sprintf("deployment-%05d", i),
		PackageName:        "bench",
		PackageVersion:     "1.0.0",
		ClassKey:           "Record",
		Environment:        environment,
		NfrRequirements:    &deploymentv1.NfrRequirements{MinThroughputRps: new(int64(100))},
		ResourceAllocation: &deploymentv1.ResourceAllocation{ReplicationFactor: 1, MinReplicas: 1, MaxReplicas: 1},
	}
	for f := range functions {
		u.FunctionContainers = append(u.FunctionContainers, &deploymentv1.FunctionContainer{
			FunctionKey: fmt.Sprintf("Record.f%d", f), Image: "registry.example/function:1.0.0", Port: 8080,
			// So small that all of them find room on the nodes.
			ResourceRequests: map[string]string{"cpu": "10m", "memory": "16Mi"},
		})
	}
	return u
}

// environment of all records.
const environment = "bench"

func makeNamespaces(ctx context.Context, kube kubernetes.Interface, names ...string) error {
	for _, name := range names {
		_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	return nil
}

// units are all records of a run.
func units(namespace string, records int) []*deploymentv1.DeploymentUnit {
	all := make([]*deploymentv1.DeploymentUnit, records)
	for i := range all {
		all[i] = unit(namespace, i)
	}
	return all
}

// deploy sends units from several callers and returns when all their records are
// available.
func (m *manager) deploy(ctx context.Context, clients int, units ...*deploymentv1.DeploymentUnit) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.await(ctx, units, running) })
	group.Go(func() error {
		return each(ctx, len(units), clients, func(ctx context.Context, i int) error {
			if _, err := m.Deploy(ctx, &deploymentv1.DeployRequest{Unit: units[i]}); err != nil {
				return fmt.Errorf("deploying record %s: %w", units[i].GetId(), err)
			}
			return nil
		})
	})
	return group.Wait()
}

// remove deletes units from several callers and returns when all their records are
// gone.
func (m *manager) remove(ctx context.Context, clients int, units ...*deploymentv1.DeploymentUnit) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.await(ctx, units, gone) })
	group.Go(func() error {
		return each(ctx, len(units), clients, func(ctx context.Context, i int) error {
			if _, err := m.DeleteDeployment(ctx, &deploymentv1.DeleteDeploymentRequest{DeploymentId: units[i].GetId()}); err != nil {
				return fmt.Errorf("deleting record %s: %w", units[i].GetId(), err)
			}
			return nil
		})
	})
	return group.Wait()
}

// running tells of an event whether its record is available.
func running(event *deploymentv1.WatchDeploymentRecordsResponse) bool {
	return event.GetRecord().GetStatus().GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING
}

// gone tells of an event whether its record was removed.
func gone(event *deploymentv1.WatchDeploymentRecordsResponse) bool {
	return event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED
}

// await follows the records until something was told of each of some units.
func (m *manager) await(ctx context.Context, units []*deploymentv1.DeploymentUnit, told func(*deploymentv1.WatchDeploymentRecordsResponse) bool) error {
	stream, err := m.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{})
	if err != nil {
		return fmt.Errorf("watching records: %w", err)
	}
	left := make(map[string]bool, len(units))
	for _, u := range units {
		left[u.GetId()] = true
	}
	for len(left) > 0 {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the watch of records ended")
		}
		if err != nil {
			return fmt.Errorf("watching records: %w", err)
		}
		if told(event) {
			delete(left, event.GetRecord().GetUnit().GetId())
		}
	}
	return nil
}

// each does something for every number below count, several at a time.
func each(ctx context.Context, count, atATime int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atATime)
	for i := range count {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}
