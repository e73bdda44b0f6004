// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// touchEnvironment makes an environment at turn 0, and after that changes something of
// it that makes no difference to its records: how much room there is, which is always
// more than they need.
func touchEnvironment(ctx context.Context, hub *cluster.Cluster, name string, turn int) error {
	client, err := dynamic.NewForConfig(hub.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	spec := map[string]any{"odgm": map[string]any{"maxReplicaCount": int64(10)}}
	if turn > 0 {
		spec["quotas"] = map[string]any{"deployments": int64(1_000_000 + turn)}
	}
	config := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.SchemeGroupVersion.String(),
		"kind":       v1alpha1.KindEnvironmentConfig,
		"metadata":   map[string]any{"name": name},
		"spec":       spec,
	}}
	_, err = client.Resource(v1alpha1.SchemeGroupVersion.WithResource("environmentconfigs")).
		Apply(ctx, name, config, metav1.ApplyOptions{FieldManager: "bench", Force: true})
	if err != nil {
		return fmt.Errorf("changing environment %s: %w", name, err)
	}
	return nil
}
