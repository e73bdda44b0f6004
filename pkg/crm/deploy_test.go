// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
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

	// The same again changes nothing.
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
	p.waitFor(t, unit.GetId(), "the unit runs again", running)
	assertQuiet(t, c, unit.GetNamespace())
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

func TestDeployRefuses(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	p.deploy(t, newUnit(namespace, func(u *deploymentv1.DeploymentUnit) { u.Id = namespace + "-taken" }))
	leaving := newLeavingNamespace(t, c)
	cases := map[string]struct {
		change func(*deploymentv1.DeploymentUnit)
		code   codes.Code
		fields []string
	}{
		"everything wrong is told at once": {
			change: func(u *deploymentv1.DeploymentUnit) {
				u.Id, u.PackageName = "Not_A_Label", ""
				u.ResourceAllocation = &deploymentv1.ResourceAllocation{MinReplicas: 3, MaxReplicas: 2}
				f := u.FunctionContainers[0]
				f.Image, f.Port, f.Env = "No Such:Image", 70000, map[string]string{"A=B": ""}
				f.ResourceRequests, f.ResourceLimits = map[string]string{"cpu": "2", "memory": "lots"}, map[string]string{"cpu": "1"}
				u.FunctionContainers = append(u.FunctionContainers, &deploymentv1.FunctionContainer{FunctionKey: "Echo.say", Image: "x"})
			},
			code: codes.InvalidArgument,
			fields: []string{
				"unit.id", "unit.package_name", "unit.resource_allocation.min_replicas", "unit.function_containers[0].image",
				"unit.function_containers[0].port", "unit.function_containers[0].env[A=B]", "unit.function_containers[0].resource_requests[cpu]",
				"unit.function_containers[0].resource_requests[memory]", "unit.function_containers[1].function_key",
			},
		},
		"a namespace that does not exist": {
			change: func(u *deploymentv1.DeploymentUnit) { u.Namespace = "nowhere" },
			code:   codes.FailedPrecondition,
		},
		"a namespace that is being removed": {
			change: func(u *deploymentv1.DeploymentUnit) { u.Namespace = leaving },
			code:   codes.FailedPrecondition,
		},
		"an id of another ClassDeployment": {
			change: func(u *deploymentv1.DeploymentUnit) { u.Id, u.ClassDeployment = namespace+"-taken", "other" },
			code:   codes.AlreadyExists,
		},
		"another class under the same id": {
			change: func(u *deploymentv1.DeploymentUnit) { u.Id, u.ClassKey = namespace+"-taken", "Other" },
			code:   codes.InvalidArgument,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: newUnit(namespace, tc.change)})
			if status.Code(err) != tc.code {
				t.Fatalf("err = %v, want code %v", err, tc.code)
			}
			var got []string
			for _, detail := range status.Convert(err).Details() {
				switch detail := detail.(type) {
				case *errdetails.BadRequest:
					for _, violation := range detail.GetFieldViolations() {
						got = append(got, violation.GetField())
					}
				case *errdetails.PreconditionFailure:
					if !slices.Contains([]string{"nowhere", leaving}, detail.GetViolations()[0].GetSubject()) {
						t.Errorf("precondition = %v", detail)
					}
				}
			}
			for _, want := range tc.fields {
				if !slices.Contains(got, want) {
					t.Errorf("no violation of %s among %v", want, got)
				}
			}
		})
	}
}

func TestDeployWaitsForARemovalToEnd(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	unit := newUnit(newNamespace(t, c))
	key := client.ObjectKey{Namespace: unit.GetNamespace(), Name: unit.GetId()}
	p.deploy(t, unit)
	// Somebody else's finalizer holds the record.
	hold := func(hold bool) {
		eventually(t, "the finalizer is written", func(ctx context.Context) error {
			record := &v1alpha1.DeploymentRecord{}
			if err := c.Get(ctx, key, record); err != nil {
				return err
			}
			if controllerutil.RemoveFinalizer(record, "example.org/hold"); hold {
				controllerutil.AddFinalizer(record, "example.org/hold")
			}
			return c.Update(ctx, record)
		})
	}
	hold(true)
	if _, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit}); status.Code(err) != codes.Aborted {
		t.Errorf("err = %v, want ABORTED", err)
	}
	hold(false)
	eventually(t, "the unit is deployed anew", func(ctx context.Context) error {
		response, err := p.Deploy(ctx, &deploymentv1.DeployRequest{Unit: unit})
		if err == nil && response.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
			err = fmt.Errorf("outcome = %v, want CREATED", response.GetOutcome())
		}
		return err
	})
	p.waitFor(t, unit.GetId(), "the unit runs", running)
}

func TestWatchEndsWithTheProgram(t *testing.T) {
	p := startProgram(t)
	stream, err := p.WatchDeploymentRecords(t.Context(), &deploymentv1.WatchDeploymentRecordsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK {
			break
		}
	}
	start := time.Now()
	p.end(t)
	for err == nil {
		_, err = stream.Recv()
	}
	if took := time.Since(start); status.Code(err) != codes.Unavailable || took > 8*time.Second {
		t.Errorf("the stream ended after %v with %v, want UNAVAILABLE at once", took, err)
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

func TestDryRunChangesNothing(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	response, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: newUnit(namespace), DryRun: true})
	if err != nil || response.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
		t.Fatalf("Deploy = %v, %v", response, err)
	}
	_, err = p.GetDeploymentRecord(t.Context(), &deploymentv1.GetDeploymentRecordRequest{DeploymentId: response.GetDeploymentId()})
	if status.Code(err) != codes.NotFound {
		t.Errorf("err = %v, want NOT_FOUND", err)
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
	assertQuiet(t, c, namespace)
}

func TestListAndWatch(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	environment := namespace
	unit := func(i int) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
			u.Id, u.Environment, u.FunctionContainers = fmt.Sprintf("%s-%d", namespace, i), environment, nil
		})
	}
	for i := range 3 {
		p.deploy(t, unit(i))
	}
	filter := &deploymentv1.RecordFilter{Environment: environment}
	eventually(t, "pages hold all records in order", func(ctx context.Context) error {
		var ids []string
		request := &deploymentv1.ListDeploymentRecordsRequest{Filter: filter, PageSize: 2}
		for {
			page, err := p.ListDeploymentRecords(ctx, request)
			if err != nil {
				return err
			}
			for _, record := range page.GetRecords() {
				ids = append(ids, record.GetUnit().GetId())
			}
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				break
			}
		}
		if want := []string{namespace + "-0", namespace + "-1", namespace + "-2"}; !slices.Equal(ids, want) {
			return fmt.Errorf("ids = %v, want %v", ids, want)
		}
		return nil
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	var version string
	for added := 0; ; added++ {
		event, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK {
			if added != 3 {
				t.Errorf("%d records before the first bookmark, want 3", added)
			}
			version = event.GetResourceVersion()
			break
		}
	}
	p.deploy(t, unit(3))
	resumed, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{Filter: filter, ResourceVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]interface {
		Recv() (*deploymentv1.WatchDeploymentRecordsResponse, error)
	}{"the first stream": stream, "the resumed stream": resumed} {
		for {
			event, err := s.Recv()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if event.GetRecord().GetUnit().GetId() == namespace+"-3" && event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED {
				break
			}
		}
	}
	tooOld, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{ResourceVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tooOld.Recv(); status.Code(err) != codes.OutOfRange {
		t.Errorf("err of a version that is too old = %v, want OUT_OF_RANGE", err)
	}
}

func TestClusterHealthAndMetrics(t *testing.T) {
	p := startProgram(t)
	eventually(t, "the cluster is healthy", func(ctx context.Context) error {
		health, err := p.info.GetClusterHealth(ctx, &crmv1.GetClusterHealthRequest{})
		if err != nil {
			return err
		}
		if health.GetStatus() != crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY || health.GetNodeCount() != 3 || health.GetReadyNodes() != 3 ||
			health.GetCapacity()["cpu"] == "" || !strings.HasPrefix(health.GetKubernetesVersion(), "v1.") {
			return fmt.Errorf("health = %v", health)
		}
		return nil
	})
	body, err := fetch(t.Context(), "http://"+p.settings.MetricsAddress+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crm_active_deployments", "crm_grpc_call_duration_seconds_count"} {
		if !strings.Contains(body, name) {
			t.Errorf("no metric %s", name)
		}
	}
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

// newLeavingNamespace makes a namespace whose removal has begun and does not end
// before the test.
func newLeavingNamespace(t *testing.T, c client.Client) string {
	t.Helper()
	name := newNamespace(t, c)
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Namespace: name, Finalizers: []string{"example.org/hold"}}}
	if err := c.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	return name
}
