// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// large is an observation of a record with so many functions, of the given names.
func large(functions int, key, workload string) *observation {
	o := &observation{rendering: &render.Rendering{Template: "deployment"}, applied: true, complete: true, troubles: map[string]trouble{}}
	for i := range functions {
		key, name := fmt.Sprint(key, i), fmt.Sprint(workload, i)
		for _, kind := range []schema.GroupVersionKind{
			appsv1.SchemeGroupVersion.WithKind("Deployment"), corev1.SchemeGroupVersion.WithKind("Service"), policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		} {
			intent := &unstructured.Unstructured{Object: map[string]any{}}
			intent.SetGroupVersionKind(kind)
			intent.SetName(name)
			object := render.ObjectOf(intent)
			object.Function = key
			o.rendering.Objects = append(o.rendering.Objects, object)
			o.children = append(o.children, child{Object: object, live: children.Digest(kind, intent)})
		}
		o.rendering.Functions = append(o.rendering.Functions, render.Function{
			Key: key, Name: name, Replicas: 1, URL: "http://" + name + "." + strings.Repeat("n", 63) + ".svc:80",
			Workload: &render.Ref{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: name},
			Endpoint: &render.Ref{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Service"), Name: name},
		})
	}
	o.inventory = inventoryOf(nil, o.rendering.Objects, nil)
	return o
}

// A record may have hundreds of functions, and each pass looks at all of them. With
// more than may be, quadratic time shows on every machine.
func TestARecordWithManyFunctionsTakesItsShareOfTime(t *testing.T) {
	record := newRecord()
	const functions = 2048
	start := time.Now()
	o := large(functions, "echo-", "echo-")
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

// Beside a unit of 512 KiB and the field managers there is about half a MiB left in
// what etcd stores of one record.
func TestTheTroublesOfManyFunctionsFitIntoAStatus(t *testing.T) {
	const functions, room = 512, 600 << 10
	o := large(functions, strings.Repeat("k", 260), strings.Repeat("w", 60))
	for _, function := range o.rendering.Functions {
		o.troubles[names.LabelValue(function.Key)] = trouble{reason: "CrashLoopBackOff", message: strings.Repeat("m", 2*messageLimit)}
	}
	for i := range o.inventory {
		o.inventory[i].UID = "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"
	}
	status := computeStatus(newRecord(), o, noon)
	encoded, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) > room {
		t.Errorf("the status takes %d bytes, want at most %d", len(encoded), room)
	}
	for _, function := range status.FunctionContainerStatus {
		if !strings.HasPrefix(function.Message, "CrashLoopBackOff: mmm") {
			t.Fatalf("function %.20s says %.40q, want what is wrong with it", function.FunctionKey, function.Message)
		}
	}
}
