// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// oneLeads lets several programs of a test share the work as they do in earnest.
func oneLeads(s *config.Config) { s.Features.LeaderElection = true }

// newEnvironment makes an environment that nobody else uses, and waits until its
// status speaks of it.
func newEnvironment(t *testing.T, c client.Client, spec v1alpha1.EnvironmentConfigSpec) *v1alpha1.EnvironmentConfig {
	t.Helper()
	environment := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{GenerateName: "env-"}, Spec: spec}
	if err := c.Create(t.Context(), environment); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), environment) })
	waitForEnvironment(t, c, environment, "is observed", func(v1alpha1.EnvironmentConfigStatus) bool { return true })
	return environment
}

// waitForEnvironment waits until the status speaks of the newest configuration and
// is as wanted.
func waitForEnvironment(t *testing.T, c client.Client, environment *v1alpha1.EnvironmentConfig, what string, wanted func(v1alpha1.EnvironmentConfigStatus) bool) {
	t.Helper()
	eventually(t, "the environment "+what, func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(environment), environment); err != nil {
			return err
		}
		if environment.Status.ObservedGeneration != environment.Generation || !wanted(environment.Status) {
			return fmt.Errorf("status is %+v", environment.Status)
		}
		return nil
	})
}

// changeEnvironment gives an environment another content, as an editor would. The
// program writes its status meanwhile.
func changeEnvironment(t *testing.T, c client.Client, environment *v1alpha1.EnvironmentConfig, change func(*v1alpha1.EnvironmentConfigSpec)) {
	t.Helper()
	eventually(t, "the environment is changed", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(environment), environment); err != nil {
			return err
		}
		change(&environment.Spec)
		err := c.Update(ctx, environment)
		if err != nil && !apierrors.IsConflict(err) {
			return terminal(err)
		}
		return err
	})
}

func uses(deployments, replicas int32) func(v1alpha1.EnvironmentConfigStatus) bool {
	return func(s v1alpha1.EnvironmentConfigStatus) bool {
		return s.Used.Deployments == deployments && s.Used.Replicas == replicas && len(s.Reservations) == 0
	}
}

// TestQuotaHoldsWhenManyDeployAtOnce deploys 50 units through two programs into an
// environment that has room for 10.
func TestQuotaHoldsWhenManyDeployAtOnce(t *testing.T) {
	const limit, calls = 10, 50
	c := newClient(t)
	programs := []*program{startProgram(t, oneLeads), startProgram(t, oneLeads)}
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Deployments: new(int32(limit))}})
	unit := func(i int) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
			u.Id, u.Environment = fmt.Sprintf("%s-%d", namespace, i), environment.Name
		})
	}
	answers := make([]error, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			_, answers[i] = programs[i%2].Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit(i)})
		})
	}
	all.Wait()
	accepted := -1
	count := map[codes.Code]int{}
	for i, err := range answers {
		count[status.Code(err)]++
		if err == nil {
			accepted = i
			continue
		}
		failure := quotaFailureOf(err)
		if failure == nil || failure.GetQuotaDimensions()["used"] != "10" || failure.GetQuotaDimensions()["limit"] != "10" {
			t.Errorf("err = %v with %v, want used 10 and limit 10", err, failure)
		}
	}
	if count[codes.OK] != limit || count[codes.ResourceExhausted] != calls-limit {
		t.Fatalf("answers were %v, want %d OK and %d RESOURCE_EXHAUSTED", count, limit, calls-limit)
	}
	records := &v1alpha1.DeploymentRecordList{}
	if err := c.List(t.Context(), records, client.InNamespace(namespace)); err != nil || len(records.Items) != limit {
		t.Fatalf("there are %d records (%v), want %d", len(records.Items), err, limit)
	}
	waitForEnvironment(t, c, environment, "tells what is used", uses(limit, limit))

	// At rest nothing is written.
	version := environment.ResourceVersion
	throughout(t, 2*time.Second, func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(environment), environment); err != nil {
			return err
		}
		if environment.ResourceVersion != version {
			return fmt.Errorf("the status was written at rest: %+v", environment.Status)
		}
		return nil
	})

	// What goes makes room.
	if _, err := programs[0].DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit(accepted).GetId()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is room for another", func(ctx context.Context) error {
		_, err := programs[1].Deploy(ctx, &deploymentv1.DeployRequest{Unit: unit(calls)})
		return err
	})
	waitForEnvironment(t, c, environment, "is full again", uses(limit, limit))
}

// TestQuotasCountDataGrids deploys units whose data grids are larger than their
// functions, through two programs at once: quotas bound what really runs.
func TestQuotasCountDataGrids(t *testing.T) {
	const limit, calls, pods = 5, 20, 4
	c := newClient(t)
	programs := []*program{startProgram(t, oneLeads), startProgram(t, oneLeads)}
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{
		ODGM:   v1alpha1.EnvironmentODGM{Image: "registry.example/odgm:1"},
		Quotas: v1alpha1.Quotas{Replicas: new(int32(limit*pods + 1))},
	})
	unit := func(i int) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
			u.Id, u.Environment, u.Template = fmt.Sprintf("%s-%d", namespace, i), environment.Name, "deployment"
			u.State, u.Odgm = &deploymentv1.ClassState{}, &deploymentv1.OdgmSettings{ReplicaCount: pods - 1}
		})
	}
	answers := make([]error, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			_, answers[i] = programs[i%2].Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit(i)})
		})
	}
	all.Wait()
	count := map[codes.Code]int{}
	for _, err := range answers {
		count[status.Code(err)]++
		if failure := quotaFailureOf(err); err != nil && failure.GetQuotaDimensions()["requested"] != strconv.Itoa(pods) {
			t.Errorf("err = %v with %v, want that %d replicas were requested", err, failure, pods)
		}
	}
	if count[codes.OK] != limit || count[codes.ResourceExhausted] != calls-limit {
		t.Fatalf("answers were %v, want %d OK and %d RESOURCE_EXHAUSTED", count, limit, calls-limit)
	}
	waitForEnvironment(t, c, environment, "counts the nodes of data grids", uses(limit, limit*pods))
	// Three of 512Mi and one of 256Mi each.
	if used := environment.Status.Used.Memory; used.Cmp(resource.MustParse("8960Mi")) != 0 {
		t.Errorf("memory in use is %s, want 8960Mi", used.String())
	}
	eventually(t, "the data grids that were let in run", func(ctx context.Context) error {
		running := &appsv1.StatefulSetList{}
		err := c.List(ctx, running, client.InNamespace(namespace))
		if err == nil && len(running.Items) != limit {
			err = fmt.Errorf("%d data grids run, want %d", len(running.Items), limit)
		}
		return err
	})
}

func quotaFailureOf(err error) *errdetails.QuotaFailure_Violation {
	for _, detail := range status.Convert(err).Details() {
		if failure, ok := detail.(*errdetails.QuotaFailure); ok {
			return failure.GetViolations()[0]
		}
	}
	return nil
}

func TestQuotaOfWhatGrows(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Replicas: new(int32(3))}})
	unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
		u.Environment, u.ResourceAllocation = environment.Name, &deploymentv1.ResourceAllocation{MinReplicas: 2}
	})
	p.deploy(t, unit)
	waitForEnvironment(t, c, environment, "counts the unit", uses(1, 2))

	unit.ResourceAllocation.MinReplicas = 4
	for _, dryRun := range []bool{true, false} {
		_, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit, DryRun: dryRun})
		if failure := quotaFailureOf(err); status.Code(err) != codes.ResourceExhausted || failure.GetQuotaDimensions()["requested"] != "2" {
			t.Errorf("dry run %v: err = %v, want RESOURCE_EXHAUSTED for 2 more replicas", dryRun, err)
		}
	}
	unit.ResourceAllocation.MinReplicas = 3
	if _, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit, DryRun: true}); err != nil {
		t.Errorf("dry run: %v", err)
	}
	waitForEnvironment(t, c, environment, "is as before the dry run", uses(1, 2))
	p.deploy(t, unit)
	waitForEnvironment(t, c, environment, "counts the larger unit", uses(1, 3))

	// A quota that is lowered takes nothing away.
	changeEnvironment(t, c, environment, func(s *v1alpha1.EnvironmentConfigSpec) { s.Quotas.Replicas = new(int32(1)) })
	waitForEnvironment(t, c, environment, "counts what is there", uses(1, 3))
	unit.PackageVersion = "1.0.1"
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs on", running)
	unit.ResourceAllocation.MinReplicas = 2
	p.deploy(t, unit)
	waitForEnvironment(t, c, environment, "counts the smaller unit", uses(1, 2))
}

func TestRoomOfARefusedRecordIsGivenBack(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Deployments: new(int32(1))}})
	inEnvironment := func(u *deploymentv1.DeploymentUnit) { u.Environment = environment.Name }
	if _, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: newUnit("nowhere", inEnvironment)}); status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("err = %v, want FAILED_PRECONDITION", err)
	}
	p.deploy(t, newUnit(newNamespace(t, c), inEnvironment))
}

func TestTenantsAreKeptApart(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	tenant := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{
		Namespaces: v1alpha1.NamespaceMapping{Suffix: "-run", Create: true},
	})
	unit := newUnit(tenant, func(u *deploymentv1.DeploymentUnit) { u.Environment = environment.Name })

	response, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit, DryRun: true})
	if err != nil || response.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
		t.Fatalf("dry run: %v, %v", response, err)
	}
	made := &corev1.Namespace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: tenant + "-run"}, made); client.IgnoreNotFound(err) != nil || err == nil {
		t.Fatalf("the dry run made the namespace: %v", err)
	}
	p.deploy(t, unit)
	if err := c.Get(t.Context(), client.ObjectKey{Name: tenant + "-run"}, made); err != nil || made.Labels[v1alpha1.LabelManagedBy] != v1alpha1.FieldManagerReconciler {
		t.Fatalf("namespace %v: %v", made.Labels, err)
	}
	record := &v1alpha1.DeploymentRecord{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: made.Name, Name: unit.GetId()}, record); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, unit.GetId(), "the unit runs", running)

	// Another environment lets in nobody but those that it names.
	closed := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Namespaces: v1alpha1.NamespaceMapping{OnlyTenants: true}})
	other := newUnit(tenant, func(u *deploymentv1.DeploymentUnit) { u.Id, u.Environment = tenant+"-other", closed.Name })
	if _, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: other}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("err = %v, want FAILED_PRECONDITION", err)
	}
}

func TestEnvironmentTellsWhatIsWrongWithIt(t *testing.T) {
	c := newClient(t)
	startProgram(t)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Namespaces: v1alpha1.NamespaceMapping{Fixed: "kube-system"}})
	waitForEnvironment(t, c, environment, "is not ready", func(s v1alpha1.EnvironmentConfigStatus) bool {
		ready := meta.FindStatusCondition(s.Conditions, v1alpha1.EnvironmentReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.ObservedGeneration == environment.Generation
	})
	changeEnvironment(t, c, environment, func(s *v1alpha1.EnvironmentConfigSpec) { s.Namespaces.Fixed = "" })
	waitForEnvironment(t, c, environment, "is ready", func(s v1alpha1.EnvironmentConfigStatus) bool {
		return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.EnvironmentReady)
	})
}
