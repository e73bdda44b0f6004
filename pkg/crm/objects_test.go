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

// quiet is how long nothing may be written for it to count as the end of writing.
const quiet = 2 * time.Second

// assertQuiet makes sure that nothing is written while nothing happens.
func assertQuiet(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	before := writtenVersions(t, c, namespace)
	throughout(t, quiet, func(context.Context) error {
		for name, version := range writtenVersions(t, c, namespace) {
			if before[name] != version {
				return fmt.Errorf("%s was written while nothing happened", name)
			}
		}
		return nil
	})
}

// assertComesToRest makes sure that the writing ends, where Kubernetes may still
// be at work: two that repair each other's work would go on for ever.
func assertComesToRest(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	before, since := writtenVersions(t, c, namespace), time.Now()
	eventually(t, "nothing is written any more", func(context.Context) error {
		if now := writtenVersions(t, c, namespace); !maps.Equal(before, now) {
			err := fmt.Errorf("%v became %v", before, now)
			before, since = now, time.Now()
			return err
		}
		if still := time.Since(since); still < quiet {
			return fmt.Errorf("nothing was written for %v only", still)
		}
		return nil
	})
}

func writtenVersions(t *testing.T, c client.Client, namespace string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{&v1alpha1.DeploymentRecordList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{}} {
		maps.Copy(all, versionsOf(t, c, namespace, list))
	}
	return all
}

func versionsOf(t *testing.T, c client.Client, namespace string, list client.ObjectList) map[string]string {
	t.Helper()
	if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return versionsIn(t, list)
}
