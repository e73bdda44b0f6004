// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterrecord

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

var made = time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)

// running is a record that serves, changed as a test wants.
func running(change ...func(*deploymentv1.DeploymentRecord)) *deploymentv1.DeploymentRecord {
	record := &deploymentv1.DeploymentRecord{
		Unit: &deploymentv1.DeploymentUnit{
			Id: "cart-1", Namespace: "shop", ClassDeployment: "cart", PackageName: "store", PackageVersion: "1.2.0",
			ClassKey: "Cart", Environment: "cloud", Template: "small",
			NfrRequirements:    &deploymentv1.NfrRequirements{MinThroughputRps: new(int64(100)), Availability: "0.99"},
			ResourceAllocation: &deploymentv1.ResourceAllocation{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 8},
			FunctionContainers: []*deploymentv1.FunctionContainer{
				{FunctionKey: "add", Image: "registry.example/add:1", MaxReplicas: new(int32(4))},
			},
		},
		Status: &deploymentv1.DeploymentStatus{
			Condition:        deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING,
			Phase:            deploymentv1.RecordPhase_RECORD_PHASE_READY,
			SelectedTemplate: "small",
			Conditions:       []*deploymentv1.Condition{{Type: "Available", Status: "True", Reason: "Ready", LastTransitionTime: timestamppb.New(made)}},
			Functions:        []*deploymentv1.FunctionStatus{{FunctionKey: "add", Replicas: 2, ReadyReplicas: 1, Url: "http://add"}},
		},
		ResourceRefs: []*deploymentv1.ResourceReference{{ApiVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "add"}},
		Namespace:    "shop",
		CreatedAt:    timestamppb.New(made),
	}
	for _, c := range change {
		c(record)
	}
	return record
}

func TestToAPI(t *testing.T) {
	got, err := ToAPI("eu", running(), true)
	if err != nil {
		t.Fatal(err)
	}
	second := metav1.Unix(made.Unix(), 0)
	want := &pmv1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{
			Name: "eu.cart-1", Namespace: "shop", UID: got.UID, CreationTimestamp: second,
			Labels: map[string]string{
				"pm.oaas.io/package": "store", "pm.oaas.io/cluster": "eu", "pm.oaas.io/environment": "cloud",
				"pm.oaas.io/class": "Cart", "pm.oaas.io/class-deployment": "cart",
			},
		},
		Spec: pmv1alpha1.DeploymentRecordSpec{
			Cluster: "eu", DeploymentID: "cart-1", ClassDeployment: "cart", Environment: "cloud",
			PackageName: "store", PackageVersion: "1.2.0", ClassKey: "Cart", Template: "small",
			NFR:          pmv1alpha1.NFRRequirements{MinThroughputRPS: new(int64(100)), Availability: "0.99"},
			Requirements: pmv1alpha1.ComputedRequirements{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 8},
			Functions:    []pmv1alpha1.PlannedFunction{{Key: "add", Image: "registry.example/add:1", MinReplicas: 2, MaxReplicas: 4}},
		},
		Status: pmv1alpha1.DeploymentRecordStatus{
			Stale: true, Condition: "Running", Phase: "Ready", SelectedTemplate: "small", Namespace: "shop",
			Conditions: []metav1.Condition{{Type: "Available", Status: "True", Reason: "Ready", LastTransitionTime: second}},
			Functions:  []pmv1alpha1.FunctionStatus{{Key: "add", Replicas: 2, ReadyReplicas: 1, URL: "http://add"}},
			Resources:  []pmv1alpha1.ResourceReference{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "add"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("object differs (-want +got):\n%s", diff)
	}
}

func TestARecordThatIsBeingRemovedSaysSo(t *testing.T) {
	got, err := ToAPI("eu", running(func(r *deploymentv1.DeploymentRecord) { r.DeletedAt = timestamppb.New(made.Add(time.Hour)) }), false)
	if err != nil {
		t.Fatal(err)
	}
	if got.DeletionTimestamp == nil || !got.DeletionTimestamp.Time.Equal(made.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("deletion timestamp is %v, want an hour after %v", got.DeletionTimestamp, made)
	}
	if got.Status.Condition != "Terminated" {
		t.Errorf("condition is %q, want Terminated", got.Status.Condition)
	}
}

func TestTheUIDTellsRecordsApart(t *testing.T) {
	uidOf := func(cluster string, change ...func(*deploymentv1.DeploymentRecord)) string {
		t.Helper()
		object, err := ToAPI(cluster, running(change...), false)
		if err != nil {
			t.Fatal(err)
		}
		return string(object.UID)
	}
	first := uidOf("eu")
	if again := uidOf("eu", func(r *deploymentv1.DeploymentRecord) {
		r.Status.Message = "news"
		r.ResourceVersion = "9"
	}); again != first {
		t.Error("the same record has two UIDs")
	}
	if uidOf("us") == first {
		t.Error("records of two clusters share a UID")
	}
	if uidOf("eu", func(r *deploymentv1.DeploymentRecord) { r.CreatedAt = timestamppb.New(made.Add(time.Minute)) }) == first {
		t.Error("a record that was made again has the UID of its predecessor")
	}
}

func TestRecordsThatNoObjectCanShow(t *testing.T) {
	for sentence, test := range map[string]struct {
		change func(*deploymentv1.DeploymentRecord)
		want   string
	}{
		"an id with a dot would be another cluster's": {func(r *deploymentv1.DeploymentRecord) { r.Unit.Id = "us.cart-1" }, "unit.id"},
		"no id at all": {func(r *deploymentv1.DeploymentRecord) { r.Unit = nil }, "unit.id"},
		"a namespace that is a path": {func(r *deploymentv1.DeploymentRecord) {
			r.Unit.Namespace = "../shop"
		}, "unit.namespace"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, err := ToAPI("eu", running(test.change), false); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not name %s", err, test.want)
			}
		})
	}
}

func TestAValueThatNoLabelMayHaveLeavesItsLabelOut(t *testing.T) {
	got, err := ToAPI("eu", running(func(r *deploymentv1.DeploymentRecord) {
		r.Unit.ClassKey = "a class"
		r.Unit.PackageName = strings.Repeat("p", 64)
	}), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{ClassLabel, pmv1alpha1.PackageLabel} {
		if value, ok := got.Labels[label]; ok {
			t.Errorf("label %s is %q, want none", label, value)
		}
	}
	if got.Spec.ClassKey != "a class" {
		t.Errorf("the class key is %q", got.Spec.ClassKey)
	}
}

func TestEnumsInTheWordsOfTheAPI(t *testing.T) {
	if got := PhaseName(deploymentv1.RecordPhase_RECORD_PHASE_POD_SCHEDULING); got != "PodScheduling" {
		t.Errorf("phase is %q, want PodScheduling", got)
	}
	if got := ConditionName(deploymentv1.RecordCondition_RECORD_CONDITION_UNSPECIFIED); got != "" {
		t.Errorf("an unspecified condition is %q, want nothing", got)
	}
}
