// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestUnitLivesAndGoes(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
		u.ResourceAllocation = &deploymentv1.ResourceAllocation{MinReplicas: 2, MaxReplicas: 4}
	})

	response := p.deploy(t, unit)
	if response.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
		t.Errorf("outcome = %v, want CREATED", response.GetOutcome())
	}
	record := p.waitFor(t, unit.GetId(), "the unit runs", running)
	if got := len(record.GetResourceRefs()); got != 3 {
		t.Errorf("%d resources, want a Deployment, a Service and a PodDisruptionBudget: %v", got, record.GetResourceRefs())
	}
	function := record.GetStatus().GetFunctions()[0]
	if want := "http://" + function.GetWorkload() + "." + namespace + ".svc:80"; function.GetUrl() != want || function.GetReadyReplicas() != 2 {
		t.Errorf("function = %v, want 2 ready at %s", function, want)
	}
	first := deploymentOf(t, c, unit)

	// The same again changes nothing, once Kubernetes has nothing to do any more.
	assertComesToRest(t, c, namespace)
	if got := p.deploy(t, unit).GetOutcome(); got != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED {
		t.Errorf("outcome of the same unit = %v, want UNCHANGED", got)
	}
	assertQuiet(t, c, namespace)

	// Another image rolls in place.
	unit.FunctionContainers[0].Image = "registry.example/echo:2"
	if got := p.deploy(t, unit).GetOutcome(); got != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UPDATED {
		t.Errorf("outcome of another image = %v, want UPDATED", got)
	}
	p.waitFor(t, unit.GetId(), "the new image runs", running)
	second := deploymentOf(t, c, unit)
	if second.UID != first.UID {
		t.Error("the Deployment was made anew, want it changed in place")
	}
	if got := second.Spec.Template.Spec.Containers[0].Image; got != "registry.example/echo:2" {
		t.Errorf("image = %s", got)
	}

	// One replica needs no disruption budget.
	unit.ResourceAllocation.MinReplicas = 1
	p.deploy(t, unit)
	eventually(t, "the disruption budget is pruned", func(ctx context.Context) error {
		budgets := &policyv1.PodDisruptionBudgetList{}
		if err := c.List(ctx, budgets, client.InNamespace(namespace)); err != nil {
			return err
		}
		if len(budgets.Items) > 0 {
			return errors.New("it is still there")
		}
		return nil
	})

	if _, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the unit is gone", func(ctx context.Context) error {
		response, err := p.DeleteDeployment(ctx, &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()})
		if err == nil && !response.GetGone() {
			err = errors.New("it is still there")
		}
		return err
	})
	if left := objectsIn(t, c, namespace); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	pods := &corev1.PodList{}
	if err := c.List(t.Context(), pods, client.InNamespace(namespace)); err != nil || len(pods.Items) > 0 {
		t.Errorf("%d pods are left behind (%v)", len(pods.Items), err)
	}
}

func TestDriftIsRepaired(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c))
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs", running)
	key := client.ObjectKeyFromObject(deploymentOf(t, c, unit))

	cases := map[string]struct {
		harm     func(ctx context.Context, d *appsv1.Deployment) error
		repaired func(*appsv1.Deployment) bool
	}{
		"another image": {
			harm: func(ctx context.Context, d *appsv1.Deployment) error {
				d.Spec.Template.Spec.Containers[0].Image = "registry.example/other"
				return c.Update(ctx, d)
			},
			repaired: func(d *appsv1.Deployment) bool {
				return d.Spec.Template.Spec.Containers[0].Image == "registry.example/echo:1"
			},
		},
		"other replicas": {
			harm: func(ctx context.Context, d *appsv1.Deployment) error {
				d.Spec.Replicas = ptr.To[int32](3)
				return c.Update(ctx, d)
			},
			repaired: func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 1 },
		},
		"the label that tells whose it is": {
			harm: func(ctx context.Context, d *appsv1.Deployment) error {
				delete(d.Labels, v1alpha1.LabelManagedBy)
				return c.Update(ctx, d)
			},
			repaired: func(d *appsv1.Deployment) bool {
				return d.Labels[v1alpha1.LabelManagedBy] == v1alpha1.FieldManagerReconciler
			},
		},
		"the whole object": {
			harm:     func(ctx context.Context, d *appsv1.Deployment) error { return c.Delete(ctx, d) },
			repaired: func(d *appsv1.Deployment) bool { return d.DeletionTimestamp == nil },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			eventually(t, "harm is done", func(ctx context.Context) error {
				d := &appsv1.Deployment{}
				if err := c.Get(ctx, key, d); err != nil {
					return err
				}
				return tc.harm(ctx, d)
			})
			eventually(t, "it is repaired", func(ctx context.Context) error {
				d := &appsv1.Deployment{}
				if err := c.Get(ctx, key, d); err != nil {
					return err
				}
				if !tc.repaired(d) {
					return fmt.Errorf("labels %v, spec %v", d.Labels, d.Spec)
				}
				return nil
			})
		})
	}
	assertComesToRest(t, c, unit.GetNamespace())
	p.waitFor(t, unit.GetId(), "the unit runs again", running)
}

func TestForeignObjectIsNotOverwritten(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	unit := newUnit(namespace)
	workload := workloadOf(unit)
	foreign := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: workload, Namespace: namespace},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
	}
	if err := c.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the conflict is told", func(r *deploymentv1.DeploymentRecord) bool {
		return conditionOf(r, "Degraded").GetReason() == "Conflict"
	})
	if got := conditionOf(record, "Available"); got.GetStatus() != "False" || !strings.Contains(got.GetMessage(), workload) {
		t.Errorf("Available = %v, want False and a message that names %s", got, workload)
	}
	after := &corev1.Service{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(foreign), after); err != nil {
		t.Fatal(err)
	}
	if after.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign Service was changed: %v", after)
	}
	// Deleting the unit leaves it alone, too.
	if _, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "only the foreign Service is left", func(context.Context) error {
		if left := objectsIn(t, c, namespace); !slices.Equal(left, []string{"Service/" + workload}) {
			return fmt.Errorf("there are %v", left)
		}
		return nil
	})
}

// Ids are short, so that two class deployments may come by the same.
func TestAUnitIsRemovedForItsOwnClassDeploymentAlone(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c))
	p.deploy(t, unit)
	remove := func(namespace, name string) bool {
		t.Helper()
		answer, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{
			DeploymentId: unit.GetId(), Namespace: namespace, ClassDeployment: name,
		})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetGone()
	}
	for _, other := range [][2]string{{"elsewhere", unit.GetClassDeployment()}, {unit.GetNamespace(), "other"}, {"", unit.GetClassDeployment()}} {
		if !remove(other[0], other[1]) {
			t.Errorf("for %v: something is left, want nothing of theirs", other)
		}
	}
	p.waitFor(t, unit.GetId(), "the unit runs", running)
	if remove(unit.GetNamespace(), unit.GetClassDeployment()) {
		t.Error("the unit was gone already")
	}
}

func TestUnschedulablePodsAreTold(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c), func(u *deploymentv1.DeploymentUnit) {
		u.FunctionContainers[0].ResourceRequests = map[string]string{"cpu": "100k"}
	})
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the record is degraded", func(r *deploymentv1.DeploymentRecord) bool {
		return conditionOf(r, "Degraded").GetStatus() == "True" && conditionOf(r, "Degraded").GetReason() == "Unschedulable"
	})
	if got := conditionOf(record, "Available"); got.GetStatus() != "False" || got.GetReason() != "Unschedulable" {
		t.Errorf("Available = %v, want False for the same reason", got)
	}
	unit.FunctionContainers[0].ResourceRequests = nil
	p.deploy(t, unit)
	record = p.waitFor(t, unit.GetId(), "the unit runs", running)
	if got := conditionOf(record, "Degraded"); got.GetStatus() != "False" {
		t.Errorf("Degraded = %v, want False", got)
	}
}

func TestUnitWithoutWorkloadsIsAvailable(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c), func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers = nil })
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit runs", running)
	if got := conditionOf(record, "Available").GetReason(); got != "NoWorkloads" {
		t.Errorf("reason = %s, want NoWorkloads", got)
	}
}

func TestSameUnitTwiceAtOnce(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c))
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if _, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit}); err != nil {
				t.Errorf("Deploy: %v", err)
			}
		})
	}
	calls.Wait()
	p.waitFor(t, unit.GetId(), "the unit runs", running)
	deploymentOf(t, c, unit)
}

func TestIDTakenTwiceAtOnceHasOneOwner(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c))
	accepted := make([]bool, 8)
	var calls sync.WaitGroup
	for i := range accepted {
		own := proto.CloneOf(unit)
		own.ClassDeployment = fmt.Sprint("owner-", i)
		calls.Go(func() {
			_, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: own})
			if accepted[i] = err == nil; !accepted[i] && status.Code(err) != codes.AlreadyExists {
				t.Errorf("Deploy of %s: err = %v, want ALREADY_EXISTS", own.GetClassDeployment(), err)
			}
		})
	}
	calls.Wait()
	record, err := p.GetDeploymentRecord(t.Context(), &deploymentv1.GetDeploymentRecordRequest{DeploymentId: unit.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	for i, ok := range accepted {
		if owner := fmt.Sprint("owner-", i); ok != (owner == record.GetRecord().GetUnit().GetClassDeployment()) {
			t.Errorf("Deploy of %s: accepted = %t, but the record belongs to %s", owner, ok, record.GetRecord().GetUnit().GetClassDeployment())
		}
	}
}

func TestRestartConverges(t *testing.T) {
	c := newClient(t)
	namespace := newNamespace(t, c)
	first := startProgram(t)
	var units []*deploymentv1.DeploymentUnit
	for i := range 5 {
		unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) { u.Id = fmt.Sprintf("%s-%d", namespace, i) })
		units = append(units, unit)
		first.deploy(t, unit)
	}
	// In the middle of it all.
	first.end(t)
	key := client.ObjectKey{Namespace: namespace, Name: units[0].GetId()}
	record := &v1alpha1.DeploymentRecord{}
	if err := c.Get(t.Context(), key, record); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}

	second := startProgram(t)
	for _, unit := range units[1:] {
		second.waitFor(t, unit.GetId(), "the unit runs", running)
	}
	eventually(t, "what was deleted meanwhile is gone", func(ctx context.Context) error {
		if err := c.Get(ctx, key, record); !apierrors.IsNotFound(err) {
			return fmt.Errorf("err = %w", err)
		}
		return nil
	})
	assertComesToRest(t, c, namespace)
}

func TestOneNamespaceForAll(t *testing.T) {
	c := newClient(t)
	home, origin := newNamespace(t, c), "not-on-this-cluster"
	p := startProgram(t, func(s *config.Config) { s.K8sNamespace = home })
	unit := newUnit(origin, func(u *deploymentv1.DeploymentUnit) { u.Id = home + "-echo" })
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit runs", running)
	if record.GetNamespace() != home || record.GetUnit().GetNamespace() != origin {
		t.Errorf("record is in %s for %s, want %s for %s", record.GetNamespace(), record.GetUnit().GetNamespace(), home, origin)
	}
}
