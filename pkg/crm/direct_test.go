// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/blueprint"
	"oaas.io/oaas/pkg/crm/quota"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// direct is a record that somebody applies without asking the program.
func direct(environment, namespace, name string) *v1alpha1.DeploymentRecord {
	record := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	record.Spec.TargetEnvironment = environment
	record.Spec.DeploymentUnit = v1alpha1.DeploymentUnit{ID: name, Namespace: namespace, PackageName: "demo", ClassKey: "Echo"}
	record.Spec.FunctionContainers = []v1alpha1.FunctionContainer{{FunctionKey: "Echo.say", Image: "registry.example/echo:1"}}
	return record
}

// TestRecordsThatNobodyAdmitted applies records directly: what exceeds a quota is not
// run, and is as soon as there is room.
func TestRecordsThatNobodyAdmitted(t *testing.T) {
	c := newClient(t)
	startProgram(t)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Deployments: new(int32(2))}})
	for i := range 5 {
		if err := c.Create(t.Context(), direct(environment.Name, namespace, fmt.Sprintf("%s-%d", namespace, i))); err != nil {
			t.Fatal(err)
		}
	}
	state := func(ctx context.Context) (admitted, refused []v1alpha1.DeploymentRecord, err error) {
		list := &v1alpha1.DeploymentRecordList{}
		err = c.List(ctx, list, client.InNamespace(namespace))
		for _, record := range list.Items {
			available := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionAvailable)
			switch {
			case len(record.Status.ResourceRefs) > 0:
				admitted = append(admitted, record)
			case available != nil && available.Reason == quota.ReasonQuotaExceeded:
				refused = append(refused, record)
			}
		}
		return admitted, refused, err
	}
	var running []v1alpha1.DeploymentRecord
	eventually(t, "two run and three wait", func(ctx context.Context) error {
		admitted, refused, err := state(ctx)
		if err == nil && (len(admitted) != 2 || len(refused) != 3) {
			err = fmt.Errorf("%d run and %d wait", len(admitted), len(refused))
		}
		running = admitted
		return err
	})
	waitForEnvironment(t, c, environment, "counts those that run", uses(2, 2))
	if err := c.Delete(t.Context(), &running[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one runs", func(ctx context.Context) error {
		admitted, refused, err := state(ctx)
		if err == nil && (len(admitted) != 2 || len(refused) != 2) {
			err = errors.New("room was not taken")
		}
		return err
	})
}

// TestRecordsOutsideOfTheirNamespace applies records whose environment has another
// namespace for the tenant that they name: nothing is made for them.
func TestRecordsOutsideOfTheirNamespace(t *testing.T) {
	c := newClient(t)
	startProgram(t)
	mine, theirs := newNamespace(t, c), newNamespace(t, c)
	record := direct("dev", mine, mine+"-intruder")
	record.Spec.DeploymentUnit.Namespace = theirs
	if err := c.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is refused", func(ctx context.Context) error {
		return reasonIs(ctx, c, record, v1alpha1.ConditionAvailable, blueprint.ReasonNamespaceNotAllowed)
	})
	for _, namespace := range []string{mine, theirs} {
		made := &appsv1.DeploymentList{}
		if err := c.List(t.Context(), made, client.InNamespace(namespace)); err != nil || len(made.Items) > 0 {
			t.Errorf("%d Deployments were made in %s (%v), want none", len(made.Items), namespace, err)
		}
	}
}

// TestAnIDIsThatOfItsFirstRecord holds that a record which somebody applies in a namespace
// of their own, with the id of another's unit, is never taken for that unit.
func TestAnIDIsThatOfItsFirstRecord(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	mine, theirs := newNamespace(t, c), newNamespace(t, c)
	unit := newUnit(mine)
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs", running)
	// Ages of records are told in seconds.
	time.Sleep(1100 * time.Millisecond)
	second := direct("dev", theirs, unit.GetId())
	if err := c.Create(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second record is known", func(ctx context.Context) error {
		list, err := p.ListDeploymentRecords(ctx, &deploymentv1.ListDeploymentRecordsRequest{PageSize: 1000})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list.GetRecords(), func(r *deploymentv1.DeploymentRecord) bool { return r.GetNamespace() == theirs }) {
			return errors.New("it is not in the list")
		}
		return nil
	})
	for range 50 {
		response, err := p.GetDeploymentRecord(t.Context(), &deploymentv1.GetDeploymentRecordRequest{DeploymentId: unit.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		if namespace := response.GetRecord().GetNamespace(); namespace != mine {
			t.Fatalf("the unit is that in namespace %s, want %s", namespace, mine)
		}
	}
	if _, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(second), second); err != nil || second.DeletionTimestamp != nil {
		t.Errorf("the second record: %v, deleted at %v, want it left alone", err, second.DeletionTimestamp)
	}
}

// TestARecordThatOutgrowsItsQuotaRunsOn edits a record directly: what runs stays as
// it is until there is room.
func TestARecordThatOutgrowsItsQuotaRunsOn(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Replicas: new(int32(2))}})
	record := direct(environment.Name, namespace, namespace+"-echo")
	if err := c.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, record.Name, "the record runs", running)
	replicas := func(ctx context.Context, wanted int32) error {
		made := &appsv1.DeploymentList{}
		if err := c.List(ctx, made, client.InNamespace(namespace)); err != nil {
			return err
		}
		if len(made.Items) != 1 || *made.Items[0].Spec.Replicas != wanted {
			return fmt.Errorf("there are %d Deployments, want one of %d replicas", len(made.Items), wanted)
		}
		return nil
	}
	grown := record.DeepCopy()
	grown.Spec.ResourceAllocation.MinReplicas = 3
	if err := c.Patch(t.Context(), grown, client.MergeFrom(record)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record waits for room", func(ctx context.Context) error {
		return reasonIs(ctx, c, record, v1alpha1.ConditionDegraded, quota.ReasonQuotaExceeded)
	})
	if err := replicas(t.Context(), 1); err != nil {
		t.Error(err)
	}
	waitForEnvironment(t, c, environment, "counts what runs", uses(1, 1))

	changeEnvironment(t, c, environment, func(s *v1alpha1.EnvironmentConfigSpec) { s.Quotas.Replicas = new(int32(3)) })
	eventually(t, "the record has grown", func(ctx context.Context) error { return replicas(ctx, 3) })
	waitForEnvironment(t, c, environment, "counts the larger record", uses(1, 3))
}

// reasonIs looks for a reason in a condition of a record.
func reasonIs(ctx context.Context, c client.Client, record *v1alpha1.DeploymentRecord, condition, reason string) error {
	found := &v1alpha1.DeploymentRecord{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(record), found); err != nil {
		return err
	}
	if got := meta.FindStatusCondition(found.Status.Conditions, condition); got == nil || got.Reason != reason {
		return fmt.Errorf("%s is %+v, want the reason %s", condition, got, reason)
	}
	return nil
}
