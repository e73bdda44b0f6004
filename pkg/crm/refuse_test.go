// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

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
		"a unit that is larger than it looks, since each variable has an owner": {
			change: func(u *deploymentv1.DeploymentUnit) {
				env := make(map[string]string, 28_000)
				for i := range 28_000 {
					env[fmt.Sprintf("V%d", i)] = ""
				}
				u.FunctionContainers[0].Env = env
			},
			code:   codes.InvalidArgument,
			fields: []string{"unit.function_containers"},
		},
		"a unit that leaves no room for the status of its functions": {
			change: func(u *deploymentv1.DeploymentUnit) {
				probe := &deploymentv1.HttpProbe{Path: "/", PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 1}
				u.FunctionContainers = nil
				for i := range 512 {
					env := map[string]string{}
					for v := range 8 {
						env[fmt.Sprint("V", v)] = "v"
					}
					u.FunctionContainers = append(u.FunctionContainers, &deploymentv1.FunctionContainer{
						FunctionKey: fmt.Sprint("say-", i), Image: "x", Env: env, ResourceLimits: map[string]string{"cpu": "1", "memory": "1Gi"}, MinReplicas: new(int32(1)), HealthCheck: &deploymentv1.HealthCheck{Startup: probe, Readiness: probe, Liveness: probe},
					})
				}
			},
			code:   codes.InvalidArgument,
			fields: []string{"unit"},
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
