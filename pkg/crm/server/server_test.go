// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// askedFor is a cache that notes which kinds it was asked to keep.
type askedFor struct {
	cache.Cache

	kinds map[string]bool
}

func (a askedFor) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	a.kinds[fmt.Sprintf("%T", object)] = true
	return nil, nil
}

// TestNoCallWaitsForACache holds that everything which calls read is in the cache before
// the first one, also on a copy that does not lead, where no controller asks for it.
func TestNoCallWaitsForACache(t *testing.T) {
	asked := askedFor{kinds: map[string]bool{}}
	s := &Server{options: Options{Cache: asked, Settings: config.Config{GRPCAddress: "nowhere"}}}
	if err := s.Start(t.Context()); err == nil {
		t.Error("the server listens nowhere")
	}
	for _, object := range []client.Object{
		&corev1.Node{}, &corev1.Pod{}, &v1alpha1.DeploymentRecord{}, &v1alpha1.EnvironmentConfig{}, &v1alpha1.DeploymentTemplate{},
	} {
		if kind := fmt.Sprintf("%T", object); !asked.kinds[kind] {
			t.Errorf("calls read %s, which the cache was not asked to keep", kind)
		}
	}
}

func TestStatusOf(t *testing.T) {
	records := schema.GroupResource{Group: "oaas.io", Resource: "deploymentrecords"}
	cases := map[string]struct {
		err  error
		want codes.Code
	}{
		"what is not there":                 {apierrors.NewNotFound(records, "x"), codes.NotFound},
		"a conflict may be tried again":     {apierrors.NewConflict(records, "x", errors.New("changed")), codes.Aborted},
		"a version that is too old":         {apierrors.NewResourceExpired("compacted"), codes.OutOfRange},
		"an overloaded API server":          {apierrors.NewTooManyRequests("busy", 1), codes.Unavailable},
		"an API server that is not reached": {errors.New("connection refused"), codes.Unavailable},
		"a right that this program lacks":   {apierrors.NewForbidden(records, "x", errors.New("no")), codes.FailedPrecondition},
		"a bug of the API server":           {apierrors.NewInternalError(errors.New("bug")), codes.Internal},
		"the caller's deadline":             {fmt.Errorf("wrapped: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		"a caller that hung up":             {context.Canceled, codes.Canceled},
		"a status stays what it is":         {status.Error(codes.Aborted, "a"), codes.Aborted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := status.Code(statusOf(tc.err)); got != tc.want {
				t.Errorf("code = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAThousandMistakesFitIntoHeaders(t *testing.T) {
	reply := apierrors.NewInvalid(schema.GroupKind{Group: "oaas.io", Kind: "DeploymentRecord"}, "x", nil)
	var problems field.ErrorList
	for i := range 1000 {
		problems = append(problems, field.Invalid(field.NewPath("unit", "function_containers").Index(i).Child("image"), strings.Repeat("ü", 1000), "is no image"))
		reply.ErrStatus.Details.Causes = append(reply.ErrStatus.Details.Causes, metav1.StatusCause{Field: "spec", Message: strings.Repeat("x", 1000)})
	}
	for sentence, err := range map[string]error{"of a unit": invalid(problems), "that the API server found": statusOf(reply)} {
		t.Run(sentence, func(t *testing.T) {
			told := status.Convert(err)
			if size := proto.Size(told.Proto()); told.Code() != codes.InvalidArgument || size > 8<<10 {
				t.Errorf("%v in %d bytes, want INVALID_ARGUMENT in at most 8 KiB", told.Code(), size)
			}
			if !strings.Contains(told.Message(), " more") || !utf8.ValidString(told.Message()) {
				t.Errorf("%q does not say that there is more", told.Message())
			}
			if bad, ok := told.Details()[0].(*errdetails.BadRequest); !ok || len(bad.GetFieldViolations()) == 0 {
				t.Errorf("details = %v, want violations", told.Details())
			}
		})
	}
}

func TestWhatIsWrongIsNotSentBackWhole(t *testing.T) {
	long := strings.Repeat("!", 1<<20)
	d := &deployments{}
	calls := map[string]func() error{
		"an id": func() error {
			_, err := d.GetDeploymentRecord(t.Context(), &deploymentv1.GetDeploymentRecordRequest{DeploymentId: long})
			return err
		},
		"a page": func() error {
			_, err := d.ListDeploymentRecords(t.Context(), &deploymentv1.ListDeploymentRecordsRequest{PageToken: long})
			return err
		},
		"a version": func() error {
			return d.WatchDeploymentRecords(&deploymentv1.WatchDeploymentRecordsRequest{ResourceVersion: long}, nil)
		},
	}
	for sentence, call := range calls {
		t.Run(sentence, func(t *testing.T) {
			told := status.Convert(call())
			if size := proto.Size(told.Proto()); told.Code() != codes.InvalidArgument || size > 8<<10 {
				t.Errorf("%v in %d bytes, want INVALID_ARGUMENT in at most 8 KiB", told.Code(), size)
			}
		})
	}
}

func TestCapacityCountsReadyNodesAndPlacedPods(t *testing.T) {
	node := func(ready corev1.ConditionStatus) corev1.Node {
		return corev1.Node{Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
		}}
	}
	if got := capacityOf([]corev1.Node{node(corev1.ConditionTrue), node(corev1.ConditionFalse), node(corev1.ConditionTrue)})["cpu"]; got != "8" {
		t.Errorf("capacity = %s, want 8", got)
	}
	pod := func(node string, phase corev1.PodPhase) corev1.Pod {
		return corev1.Pod{
			Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}},
			}}},
			Status: corev1.PodStatus{Phase: phase},
		}
	}
	got := allocatedOf([]corev1.Pod{pod("a", corev1.PodRunning), pod("a", corev1.PodSucceeded), pod("", corev1.PodPending), pod("b", corev1.PodPending)})
	if got["cpu"] != "1" || got["pods"] != "2" {
		t.Errorf("allocated = %v, want 1 cpu by 2 pods", got)
	}
}
