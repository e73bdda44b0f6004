// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// objectsIn lists what the program could have left in a namespace.
func objectsIn(t *testing.T, c client.Client, namespace string) []string {
	t.Helper()
	var names []string
	for _, list := range []client.ObjectList{
		&v1alpha1.DeploymentRecordList{}, &appsv1.DeploymentList{}, &appsv1.ReplicaSetList{}, &corev1.ServiceList{}, &policyv1.PodDisruptionBudgetList{},
	} {
		for name := range versionsOf(t, c, namespace, list) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// assertQuiet makes sure that nothing is written while nothing happens.
func assertQuiet(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	versions := func() map[string]string {
		all := map[string]string{}
		for _, list := range []client.ObjectList{&v1alpha1.DeploymentRecordList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{}} {
			maps.Copy(all, versionsOf(t, c, namespace, list))
		}
		return all
	}
	before := versions()
	throughout(t, 2*time.Second, func(context.Context) error {
		for name, version := range versions() {
			if before[name] != version {
				return fmt.Errorf("%s was written while nothing happened", name)
			}
		}
		return nil
	})
}

func versionsOf(t *testing.T, c client.Client, namespace string, list client.ObjectList) map[string]string {
	t.Helper()
	if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return versionsIn(t, list)
}
