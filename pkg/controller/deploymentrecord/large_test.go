// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

// A record may have hundreds of functions, and each pass looks at all of them. With
// more than may be, quadratic time shows on every machine.
func TestARecordWithManyFunctionsTakesItsShareOfTime(t *testing.T) {
	o := &observation{rendering: &render.Rendering{Template: "deployment"}, applied: true, complete: true}
	record := newRecord()
	const functions = 2048
	for i := range functions {
		name := fmt.Sprint("echo-", i)
		for _, kind := range []schema.GroupVersionKind{
			appsv1.SchemeGroupVersion.WithKind("Deployment"), corev1.SchemeGroupVersion.WithKind("Service"), policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		} {
			intent := &unstructured.Unstructured{Object: map[string]any{}}
			intent.SetGroupVersionKind(kind)
			intent.SetName(name)
			object := render.ObjectOf(intent)
			object.Function = name
			o.rendering.Objects = append(o.rendering.Objects, object)
			o.children = append(o.children, child{Object: object, live: children.Digest(kind, intent)})
		}
		o.rendering.Functions = append(o.rendering.Functions, render.Function{
			Key: name, Name: name, Replicas: 1,
			Workload: &render.Ref{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: name},
			Endpoint: &render.Ref{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Service"), Name: name},
		})
	}
	start := time.Now()
	o.inventory = inventoryOf(nil, o.rendering.Objects, nil)
	if !covers(o.inventory, o.rendering.Objects) {
		t.Error("the inventory does not name every object")
	}
	record.Status = computeStatus(record, o, noon)
	if got := len(record.Status.FunctionContainerStatus); got != functions {
		t.Errorf("the status tells of %d functions", got)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a look at %d objects took %v", len(o.rendering.Objects), took)
	}
}
