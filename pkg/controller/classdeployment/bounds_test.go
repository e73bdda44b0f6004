// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

// A class may bind hundreds of functions, and run in hundreds of units.
func TestAStatusListsSomeOfVeryManyFunctions(t *testing.T) {
	const units, functions = 100, 500
	deployment, plan, seen := &pmv1alpha1.ClassDeployment{}, planner.Plan{}, map[unitKey]observation{}
	for i := range units {
		cluster := fmt.Sprintf("cluster-%03d", i)
		plan.Units = append(plan.Units, planner.Unit{Cluster: cluster, Content: &deploymentv1.DeploymentUnit{Id: "u", Environment: "default", Hash: "h1"}})
		seen[unitKey{cluster, "u"}] = observation{record: record("h1", func(r *deploymentv1.DeploymentRecord) {
			for j := range functions {
				ready := int32(2)
				if j == functions-1 {
					ready = 0
				}
				r.Status.Functions = append(r.Status.Functions, &deploymentv1.FunctionStatus{
					FunctionKey: fmt.Sprintf("function-%03d", j), Replicas: 2, ReadyReplicas: ready, Url: "http://" + strings.Repeat("u", 100),
				})
			}
		})}
	}
	deployment.Status = decide(deployment, plan, seen, now).status
	status := deployment.Status
	// Who owns which of them is stored beside it, and takes as much again.
	if size := status.Size(); size > 600<<10 {
		t.Errorf("the status has %d bytes", size)
	}
	for _, unit := range status.Units {
		if len(unit.Functions) == 0 || unit.Functions[0].Key != fmt.Sprintf("function-%03d", functions-1) {
			t.Fatalf("unit %s lists the functions %v, want the one that is not ready first", unit.Cluster, unit.Functions)
		}
	}
	if status.Replicas != units*functions*2 || status.ReadyReplicas != units*(functions-1)*2 {
		t.Errorf("%d of %d replicas are ready, want all functions to be counted", status.ReadyReplicas, status.Replicas)
	}
	if again := decide(deployment, plan, seen, now.Add(time.Hour)).status; !apiequality.Semantic.DeepEqual(status, again) {
		t.Error("a second look at the same changed the status")
	}
}

// The API refuses a status for one text that is too long. As no call is made before
// the status is written, such a deployment would stay as it is for ever.
func TestAStatusCanBeWrittenWhateverClustersAnswer(t *testing.T) {
	long := strings.Repeat("ä: the webhook of the cluster has a lot to say; ", 2000)
	refusal := &crmclient.Error{Cluster: "a", Method: "Deploy", Code: codes.InvalidArgument, Message: long}
	for name, test := range map[string]struct {
		seen     observation
		problems planner.Problems
		deleting bool
	}{
		"a refusal":                       {seen: observation{outcome: outcome{err: refusal, at: now}}},
		"an error of another kind":        {seen: observation{outcome: outcome{err: errors.New(long), at: now}}},
		"why a cluster is silent":         {seen: observation{silence: long}},
		"why a cluster does not remove":   {seen: observation{silence: long}, deleting: true},
		"what a record waits for":         {seen: observation{record: record("h1", func(r *deploymentv1.DeploymentRecord) { r.Status.Message = long })}},
		"what kept the plan from a place": {problems: planner.Problems{{Type: planner.NoCluster, Message: long}}},
	} {
		t.Run(name, func(t *testing.T) {
			deployment, plan, seen := &pmv1alpha1.ClassDeployment{}, planner.Plan{Problems: test.problems}, map[unitKey]observation{}
			for i := range 200 {
				cluster := fmt.Sprintf("cluster-%03d", i)
				plan.Units = append(plan.Units, planner.Unit{Cluster: cluster, Content: &deploymentv1.DeploymentUnit{Id: "u", Environment: "default", Hash: "h2"}})
				deployment.Status.Units = append(deployment.Status.Units, pmv1alpha1.DeploymentUnitStatus{
					Cluster: cluster, DeploymentID: "u", Environment: "default", Planned: true,
				})
				seen[unitKey{cluster, "u"}] = test.seen
			}
			if test.deleting {
				deployment.DeletionTimestamp, plan = &metav1.Time{Time: now}, planner.Plan{}
			}
			status := decide(deployment, plan, seen, now).status
			if errs := metav1validation.ValidateConditions(status.Conditions, field.NewPath("status", "conditions")); len(errs) > 0 {
				t.Errorf("the API refuses the conditions: %.300s", errs.ToAggregate())
			}
			// What etcd stores of an object, with room for the rest of it.
			if size := status.Size(); size > 1<<20 {
				t.Errorf("the status has %d bytes", size)
			}
			for _, c := range status.Conditions {
				if !utf8.ValidString(c.Message) {
					t.Errorf("the message of %s was cut within a character", c.Type)
				}
			}
		})
	}
}
