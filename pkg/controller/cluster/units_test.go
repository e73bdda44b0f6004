// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func runs(id, deployment string, change ...func(*deploymentv1.DeploymentRecord)) *deploymentv1.DeploymentRecord {
	r := &deploymentv1.DeploymentRecord{Unit: &deploymentv1.DeploymentUnit{Id: id, Namespace: "shop", ClassDeployment: deployment}}
	for _, c := range change {
		c(r)
	}
	return r
}

func TestUnitsWithoutAnOwnerAreFound(t *testing.T) {
	deployments := map[string]*pmv1alpha1.ClassDeployment{"cart": {Status: pmv1alpha1.ClassDeploymentStatus{Units: []pmv1alpha1.DeploymentUnitStatus{
		{Cluster: "a", DeploymentID: "cart-1", Planned: true}, {Cluster: "a", DeploymentID: "cart-2"}, {Cluster: "b", DeploymentID: "cart-3", Planned: true},
	}}}}
	owns := func(cluster string, unit *deploymentv1.DeploymentUnit) bool {
		return lists(deployments[unit.GetClassDeployment()], cluster, unit.GetId())
	}
	for name, test := range map[string]struct {
		record *deploymentv1.DeploymentRecord
		want   string
	}{
		"a unit that is planned":                               {record: runs("cart-1", "cart")},
		"a unit that is about to be removed":                   {record: runs("cart-2", "cart")},
		"a unit that is listed on another cluster":             {record: runs("cart-3", "cart"), want: "cart-3 of class deployment shop/cart"},
		"a unit that its deployment does not list":             {record: runs("cart-4", "cart"), want: "cart-4 of class deployment shop/cart"},
		"a unit whose deployment does not exist":               {record: runs("gone-1", "gone"), want: "gone-1 of class deployment shop/gone"},
		"a record that was made on the cluster itself":         {record: runs("own", "")},
		"a unit without an owner that the cluster is removing": {record: runs("gone-2", "gone", func(r *deploymentv1.DeploymentRecord) { r.DeletedAt = timestamppb.New(start) })},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStrays(time.Minute, owns)
			all := []*deploymentv1.DeploymentRecord{test.record}
			if units, known := s.find("a", all, start); known || len(units) > 0 {
				t.Errorf("at the first look, found %q, known %v", units, known)
			}
			units, known := s.find("a", all, start.Add(time.Minute))
			if got := strings.Join(units, ", "); !known || got != test.want {
				t.Errorf("found %q, known %v, want %q", got, known, test.want)
			}
		})
	}
}

func TestAUnitIsToldOfOnlyAfterItWasWithoutAnOwnerForAWhile(t *testing.T) {
	owned := map[string]bool{}
	s := newStrays(time.Minute, func(_ string, unit *deploymentv1.DeploymentUnit) bool { return owned[unit.GetId()] })
	expect := func(after time.Duration, records []*deploymentv1.DeploymentRecord, wantKnown bool, want ...string) {
		t.Helper()
		units, known := s.find("a", records, start.Add(after))
		if known != wantKnown || len(units) != len(want) {
			t.Errorf("after %s, found %q, known %v, want %q, %v", after, units, known, want, wantKnown)
		}
	}
	one := []*deploymentv1.DeploymentRecord{runs("u", "cart")}
	expect(0, nil, false)
	expect(time.Minute, nil, true)
	// Its record may be here before the status of its class deployment.
	expect(2*time.Minute, one, true)
	expect(2*time.Minute+30*time.Second, one, true)
	owned["u"] = true
	expect(4*time.Minute, one, true)
	owned["u"] = false
	expect(5*time.Minute, one, true)
	expect(6*time.Minute, one, true, "u")
	expect(7*time.Minute, nil, true)
	expect(8*time.Minute, one, true)
	// Out of contact, nobody knows for how long it was so.
	s.forget("a")
	expect(9*time.Minute, one, false)
	expect(10*time.Minute, one, true, "u")
}

func TestTheConditionNamesTheUnitsWithoutAnOwner(t *testing.T) {
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf("unit-%d of class deployment shop/cart", i))
	}
	for name, test := range map[string]struct {
		unowned []string
		status  metav1.ConditionStatus
		says    []string
	}{
		"none":      {nil, metav1.ConditionTrue, []string{"every unit"}},
		"one":       {many[:1], metav1.ConditionFalse, []string{"1 unit without an owner runs", "unit-0 of class deployment shop/cart", "spec.targetClusters"}},
		"thousands": {many, metav1.ConditionFalse, []string{"5000 units without an owner run", "and 4992 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			status := pmv1alpha1.ClusterStatus{}
			tellOfUnits(&status, test.unowned, 3, start)
			c := meta.FindStatusCondition(status.Conditions, pmv1alpha1.ClusterUnitsOwned)
			if c == nil || c.Status != test.status || c.ObservedGeneration != 3 {
				t.Fatalf("the condition is %+v, want %s", c, test.status)
			}
			for _, text := range test.says {
				if !strings.Contains(c.Message, text) {
					t.Errorf("the condition says %q, want %q", c.Message, text)
				}
			}
		})
	}
}
