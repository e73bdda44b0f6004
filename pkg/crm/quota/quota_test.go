// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
)

const prod = "prod"

// amount reads "deployments replicas cpu memory".
func amount(deployments, replicas int32, cpu, memory string) v1alpha1.UsedQuotas {
	return v1alpha1.UsedQuotas{
		Deployments: deployments, Replicas: replicas, CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory),
	}
}

func TestDemand(t *testing.T) {
	own := v1alpha1.FunctionResources{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}}
	tests := map[string]struct {
		spec v1alpha1.DeploymentRecordSpec
		cap  int32
		want v1alpha1.UsedQuotas
	}{
		"a record without a function is a deployment all the same": {want: amount(1, 0, "0", "0")},
		"a function that says nothing has one replica of the default size": {
			spec: v1alpha1.DeploymentRecordSpec{FunctionContainers: []v1alpha1.FunctionContainer{{}}},
			want: amount(1, 1, "200m", "256Mi"),
		},
		"functions count at their greatest number": {
			spec: v1alpha1.DeploymentRecordSpec{
				ResourceAllocation: v1alpha1.ResourceAllocation{MinReplicas: 1, MaxReplicas: 4},
				FunctionContainers: []v1alpha1.FunctionContainer{{Resources: own}, {Resources: own, MaxReplicas: new(int32(2))}},
			},
			want: amount(1, 6, "6", "6Gi"),
		},
		"no more than the program runs": {
			spec: v1alpha1.DeploymentRecordSpec{
				ResourceAllocation: v1alpha1.ResourceAllocation{MaxReplicas: 100},
				FunctionContainers: []v1alpha1.FunctionContainer{{Resources: own}},
			},
			cap:  20,
			want: amount(1, 20, "20", "20Gi"),
		},
		"a function that is stopped uses nothing": {
			spec: v1alpha1.DeploymentRecordSpec{FunctionContainers: []v1alpha1.FunctionContainer{{Resources: own, MaxReplicas: new(int32(0))}}},
			want: amount(1, 0, "0", "0"),
		},
		"a tight latency bound makes functions larger": {
			spec: v1alpha1.DeploymentRecordSpec{
				NFRRequirements:    v1alpha1.NFRRequirements{MaxLatencyMs: new(int64(50))},
				FunctionContainers: []v1alpha1.FunctionContainer{{}},
			},
			want: amount(1, 1, "500m", "512Mi"),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Meter{Ceiling: nfr.Ceiling{MaxReplicas: tc.cap}}.Demand(t.Context(), &v1alpha1.DeploymentRecord{Spec: tc.spec})
			if err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(got, tc.want) {
				t.Errorf("demand = %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestFits(t *testing.T) {
	quotas := v1alpha1.Quotas{
		Deployments: new(int32(10)), Replicas: new(int32(20)),
		CPU: new(resource.MustParse("4")), Memory: new(resource.MustParse("8Gi")),
	}
	tests := map[string]struct {
		quotas       v1alpha1.Quotas
		used, demand v1alpha1.UsedQuotas
		// exceeded is the resource and the error; empty where all fits.
		exceeded, text string
	}{
		"what fills a quota fits": {quotas: quotas, used: amount(9, 18, "3", "7Gi"), demand: amount(1, 2, "1", "1Gi")},
		"one replica too many": {
			quotas: quotas, used: amount(5, 18, "1", "1Gi"), demand: amount(1, 4, "1", "1Gi"), exceeded: ResourceReplicas,
			text: "quota of environment prod exceeded: requested replicas=4, used 18, limit 20: ask for less, remove a deployment or raise spec.quotas.replicas of EnvironmentConfig prod",
		},
		"a thousandth of a core too many":           {quotas: quotas, used: amount(1, 1, "3001m", "1Gi"), demand: amount(1, 1, "1", "1Gi"), exceeded: ResourceCPU},
		"one byte too many":                         {quotas: quotas, used: amount(1, 1, "1", "7Gi"), demand: amount(1, 1, "1", "1073741825"), exceeded: ResourceMemory},
		"one deployment too many":                   {quotas: quotas, used: amount(10, 1, "1", "1Gi"), demand: amount(1, 0, "0", "0"), exceeded: ResourceDeployments},
		"nothing is bounded":                        {used: amount(100, 100, "100", "100Gi"), demand: amount(100, 100, "100", "100Gi")},
		"a bound of zero bounds":                    {quotas: v1alpha1.Quotas{Replicas: new(int32(0))}, demand: amount(1, 1, "0", "0"), exceeded: ResourceReplicas},
		"a lowered quota refuses no other resource": {quotas: quotas, used: amount(1, 40, "1", "1Gi"), demand: amount(0, 0, "1", "0")},
		"numbers do not wrap around":                {quotas: quotas, used: amount(1, 2147483647, "1", "1Gi"), demand: amount(0, 2147483647, "0", "0"), exceeded: ResourceReplicas},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			exceeded := Fits(prod, tc.quotas, tc.used, tc.demand)
			switch {
			case tc.exceeded == "" && exceeded != nil:
				t.Errorf("refused: %v", exceeded)
			case tc.exceeded != "" && (exceeded == nil || exceeded.Resource != tc.exceeded):
				t.Errorf("exceeded = %v, want %s", exceeded, tc.exceeded)
			case tc.text != "" && exceeded.Error() != tc.text:
				t.Errorf("error = %q, want %q", exceeded, tc.text)
			}
		})
	}
}

// record asks for a number of replicas of one core and 1Gi each.
func record(name string, replicas int32, change ...func(*v1alpha1.DeploymentRecord)) v1alpha1.DeploymentRecord {
	r := v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	r.Spec.TargetEnvironment = prod
	r.Spec.ResourceAllocation.MaxReplicas = replicas
	r.Spec.FunctionContainers = []v1alpha1.FunctionContainer{{Resources: v1alpha1.FunctionResources{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}}}
	for _, c := range change {
		c(&r)
	}
	return r
}

func admittedIn(environment string, a v1alpha1.UsedQuotas) func(*v1alpha1.DeploymentRecord) {
	return func(r *v1alpha1.DeploymentRecord) {
		r.Status.Admitted = &v1alpha1.Admission{Environment: environment, Amount: a}
	}
}

func beingDeleted(r *v1alpha1.DeploymentRecord) {
	r.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
}

func TestBalance(t *testing.T) {
	now := time.Unix(1000, 0)
	one, two := amount(1, 1, "1", "1Gi"), amount(1, 2, "2", "2Gi")
	reserve := func(name string, a v1alpha1.UsedQuotas, left time.Duration) v1alpha1.QuotaReservation {
		return v1alpha1.QuotaReservation{Record: "ns/" + name, Amount: a, Expires: metav1.NewTime(now.Add(left))}
	}
	tests := map[string]struct {
		records      []v1alpha1.DeploymentRecord
		reservations []v1alpha1.QuotaReservation
		used         v1alpha1.UsedQuotas
		// kept are the records whose reservations are kept.
		kept  []string
		again time.Time
	}{
		"nothing is used by nobody": {used: amount(0, 0, "0", "0")},
		"records count with what they were let in with": {
			records: []v1alpha1.DeploymentRecord{record("a", 1, admittedIn(prod, one)), record("b", 5, admittedIn(prod, two))},
			used:    amount(2, 3, "3", "3Gi"),
		},
		"a record that was not let in uses nothing": {records: []v1alpha1.DeploymentRecord{record("a", 1)}, used: amount(0, 0, "0", "0")},
		"a record that runs without a note of it was let in as it is": {
			records: []v1alpha1.DeploymentRecord{record("a", 2, func(r *v1alpha1.DeploymentRecord) {
				r.Status.ResourceRefs = []v1alpha1.ResourceReference{{Kind: "Deployment"}}
			})},
			used: two,
		},
		"a record that is being deleted counts until it is gone": {
			records: []v1alpha1.DeploymentRecord{record("a", 1, admittedIn(prod, one), beingDeleted)}, used: one,
		},
		"a record that moved here counts there until it is let in here": {
			records: []v1alpha1.DeploymentRecord{record("a", 1, admittedIn("test", one))}, used: amount(0, 0, "0", "0"),
		},
		"a record that left counts until it is let in there": {
			records: []v1alpha1.DeploymentRecord{record("a", 1, admittedIn(prod, one), func(r *v1alpha1.DeploymentRecord) { r.Spec.TargetEnvironment = "test" })},
			used:    one,
		},
		"what is reserved for a record that is not there yet is used": {
			reservations: []v1alpha1.QuotaReservation{reserve("a", one, time.Minute)},
			used:         one, kept: []string{"ns/a"}, again: now.Add(time.Minute),
		},
		"it is given back when it expires": {
			reservations: []v1alpha1.QuotaReservation{reserve("a", one, 0)}, used: amount(0, 0, "0", "0"),
		},
		"a record that was let in needs its reservation no more": {
			records:      []v1alpha1.DeploymentRecord{record("a", 1, admittedIn(prod, one))},
			reservations: []v1alpha1.QuotaReservation{reserve("a", one, time.Minute)},
			used:         one,
		},
		"an outdated record does not take the reservation for what it grows to": {
			records:      []v1alpha1.DeploymentRecord{record("a", 1, admittedIn(prod, one))},
			reservations: []v1alpha1.QuotaReservation{reserve("a", two, time.Minute)},
			used:         two, kept: []string{"ns/a"}, again: now.Add(time.Minute),
		},
		"a record that waits to be worked on keeps its reservation however long that takes": {
			records:      []v1alpha1.DeploymentRecord{record("a", 2)},
			reservations: []v1alpha1.QuotaReservation{reserve("a", two, -time.Hour)},
			used:         two, kept: []string{"ns/a"},
		},
		"one that asks for more than was reserved does not": {
			records:      []v1alpha1.DeploymentRecord{record("a", 3)},
			reservations: []v1alpha1.QuotaReservation{reserve("a", two, -time.Hour)},
			used:         amount(0, 0, "0", "0"),
		},
		"nor one that is being deleted": {
			records:      []v1alpha1.DeploymentRecord{record("a", 2, beingDeleted)},
			reservations: []v1alpha1.QuotaReservation{reserve("a", two, -time.Hour)},
			used:         amount(0, 0, "0", "0"),
		},
		"the first to expire is when to look again": {
			reservations: []v1alpha1.QuotaReservation{reserve("b", one, time.Minute), reserve("a", one, time.Second)},
			used:         amount(2, 2, "2", "2Gi"), kept: []string{"ns/a", "ns/b"}, again: now.Add(time.Second),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Meter{}.Balance(t.Context(), prod, tc.records, tc.reservations, now)
			if !equality.Semantic.DeepEqual(got.Used, tc.used) {
				t.Errorf("used = %+v, want %+v", got.Used, tc.used)
			}
			var kept []string
			for _, reservation := range got.Reservations {
				kept = append(kept, reservation.Record)
			}
			if !equality.Semantic.DeepEqual(kept, tc.kept) {
				t.Errorf("kept reservations of %v, want %v", kept, tc.kept)
			}
			if !got.Again.Equal(tc.again) {
				t.Errorf("looks again at %v, want %v", got.Again, tc.again)
			}
		})
	}
}
