// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

func TestHealthIsTheSumOfTheConditions(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status}
	}
	cases := map[string]struct {
		conditions []metav1.Condition
		want       packagev1.RuntimeHealth
	}{
		"nothing was observed yet": {nil, packagev1.RuntimeHealth_RUNTIME_HEALTH_UNSPECIFIED},
		"not known":                {[]metav1.Condition{condition("Available", "Unknown")}, packagev1.RuntimeHealth_RUNTIME_HEALTH_UNSPECIFIED},
		"serves":                   {[]metav1.Condition{condition("Available", "True"), condition("Degraded", "False")}, packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY},
		"serves, but not well":     {[]metav1.Condition{condition("Available", "True"), condition("Degraded", "True")}, packagev1.RuntimeHealth_RUNTIME_HEALTH_DEGRADED},
		"does not serve":           {[]metav1.Condition{condition("Available", "False"), condition("Degraded", "True")}, packagev1.RuntimeHealth_RUNTIME_HEALTH_UNHEALTHY},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := healthOf(tc.conditions); got != tc.want {
				t.Errorf("health = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestReplicasAreCountedAndNothingElseIsMadeUp(t *testing.T) {
	record := &v1alpha1.DeploymentRecord{Status: v1alpha1.DeploymentRecordStatus{FunctionContainerStatus: []v1alpha1.FunctionContainerStatus{
		{FunctionKey: "add", Replicas: 3, ReadyReplicas: 1}, {FunctionKey: "drop", Replicas: 2, ReadyReplicas: 2},
	}}}
	metrics := metricsOf(record, time.Now())
	total := metrics.GetTotal()
	if total.GetReplicas() != 5 || total.GetReadyReplicas() != 3 || len(metrics.GetFunctions()) != 2 {
		t.Errorf("metrics = %v", metrics)
	}
	if total.CpuCores != nil || total.MemoryBytes != nil || total.RequestsPerSecond != nil || total.ErrorRate != nil || total.LatencyP95Ms != nil {
		t.Errorf("metrics that nobody measured: %v", total)
	}
}

func TestMessagesAreFitForTheServer(t *testing.T) {
	got := printable("back\x1b[31m off\n" + strings.Repeat("ä", 2*messageLimit))
	if strings.Contains(got, "\x1b") || len([]rune(got)) != messageLimit || !strings.HasPrefix(got, "back [31m off\n") {
		t.Errorf("message = %.40q of %d characters", got, len([]rune(got)))
	}
}

// One unit that the server refuses costs that unit only.
func TestWhatIsRefusedDoesNotKeepTheRestFromBeingReported(t *testing.T) {
	list := make([]*packagev1.UnitStatus, 700)
	for i := range list {
		list[i] = &packagev1.UnitStatus{Unit: &packagev1.Unit{DeploymentId: "good"}}
	}
	list[3].Unit.DeploymentId, list[650].Unit.DeploymentId = "bad", "bad"
	taken, calls := 0, 0
	call := func(part []*packagev1.UnitStatus) error {
		calls++
		for i, unit := range part {
			if unit.GetUnit().GetDeploymentId() == "bad" {
				refusal, err := status.New(codes.InvalidArgument, "bad").WithDetails(&errdetails.BadRequest{
					FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: fmt.Sprintf("statuses[%d].unit", i)}},
				})
				if err != nil {
					t.Fatal(err)
				}
				return refusal.Err()
			}
		}
		taken += len(part)
		return nil
	}
	err := send(logr.Discard(), list, call)
	if err != nil || taken != 698 || calls != 4 {
		t.Errorf("err = %v, %d of 698 units taken in %d calls, want 4", err, taken, calls)
	}
	// Alone it costs nothing either: a failure would make all others wait.
	if err := send(logr.Discard(), list[3:4], call); err != nil {
		t.Errorf("one unit that is refused: %v, want no error", err)
	}
	if err := send(logr.Discard(), list, func([]*packagev1.UnitStatus) error { return status.Error(codes.Unavailable, "away") }); status.Code(err) != codes.Unavailable {
		t.Errorf("a server that is away: err = %v, want UNAVAILABLE", err)
	}
}
