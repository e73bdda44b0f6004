// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/internal/porttest"
)

func answer(code codes.Code) func(context.Context, int, *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
	return func(context.Context, int, *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		return nil, status.Error(code, "it said so")
	}
}

func TestACallReachesTheClusterWithACorrelationID(t *testing.T) {
	m := &manager{}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
	got, err := link.Deploy(t.Context(), unit("u"))
	if err != nil {
		t.Fatal(err)
	}
	if got.GetDeploymentId() != "u" {
		t.Errorf("deployed %q, want u", got.GetDeploymentId())
	}
	if ids := m.header(crmclient.CorrelationIDKey); len(ids) != 1 || ids[0] == "" {
		t.Errorf("correlation ids are %q, want one", ids)
	}
}

func TestDeletingWhatDoesNotExistIsDone(t *testing.T) {
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, &manager{})))
	gone, err := link.Delete(t.Context(), types.NamespacedName{Namespace: "shop", Name: "cart"}, "u")
	if err != nil || !gone {
		t.Errorf("Delete gave %v, %v; want gone", gone, err)
	}
}

func TestARefusalNamesTheFieldsAndIsTerminal(t *testing.T) {
	m := &manager{deploy: func(context.Context, int, *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		refusal, err := status.New(codes.InvalidArgument, "unit is invalid").WithDetails(&errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "function_containers[0].image", Description: "is no image"}},
		})
		if err != nil {
			return nil, err
		}
		return nil, refusal.Err()
	}}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m), retries(3)))
	_, err := link.Deploy(t.Context(), unit("u"))
	if !crmclient.IsTerminal(err) || crmclient.IsUnreachable(err) {
		t.Errorf("refusal %v is not terminal", err)
	}
	for _, part := range []string{"cluster a", "Deploy", "unit is invalid", "function_containers[0].image: is no image"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if m.callCount() != 1 {
		t.Errorf("a refused call was made %d times, want once", m.callCount())
	}
}

func TestOnlyWhatMayPassIsRepeated(t *testing.T) {
	for name, test := range map[string]struct {
		code    codes.Code
		retries int32
		want    int
	}{
		"unavailable is repeated as often as the cluster allows": {codes.Unavailable, 2, 3},
		"aborted is repeated":                   {codes.Aborted, 2, 3},
		"no repetition means one call":          {codes.Unavailable, 0, 1},
		"a quota is not repeated":               {codes.ResourceExhausted, 2, 1},
		"a failed precondition is not repeated": {codes.FailedPrecondition, 2, 1},
		"an internal error is not repeated":     {codes.Internal, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &manager{deploy: answer(test.code)}
			link := connect(t, newPool(t, quick()), clusterAt(serve(t, m), retries(test.retries)))
			if _, err := link.Deploy(t.Context(), unit("u")); err == nil {
				t.Fatal("the call succeeded")
			}
			if m.callCount() != test.want {
				t.Errorf("the call was made %d times, want %d", m.callCount(), test.want)
			}
		})
	}
}

func TestARepetitionThatSucceedsHidesTheFailure(t *testing.T) {
	m := &manager{deploy: func(_ context.Context, call int, unit *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		if call == 1 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return &deploymentv1.DeployResponse{DeploymentId: unit.GetId()}, nil
	}}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m), retries(1)))
	if _, err := link.Deploy(t.Context(), unit("u")); err != nil {
		t.Error(err)
	}
}

func TestAClusterThatNeverAnswersIsGivenUpAtTheDeadline(t *testing.T) {
	m := &manager{deploy: func(ctx context.Context, _ int, _ *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	// Long enough for the first call to arrive on a busy machine.
	const deadline, repetitions = 2 * time.Second, 3
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m), timeout(deadline), retries(repetitions)))
	started := time.Now()
	_, err := link.Deploy(t.Context(), unit("u"))
	if !crmclient.IsUnreachable(err) {
		t.Errorf("error %v does not count as unreachable", err)
	}
	if waited := time.Since(started); waited > repetitions*deadline {
		t.Errorf("the call took %s, want about its deadline of %s, repetitions included", waited, deadline)
	}
	if m.callCount() != 1 {
		t.Errorf("the call was made %d times, want once: the deadline holds for all repetitions", m.callCount())
	}
}

func TestTheBreakerOpensAfterFailuresInARowAndNamesItself(t *testing.T) {
	m := &manager{deploy: answer(codes.Unavailable)}
	link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
	for range 3 {
		if _, err := link.Deploy(t.Context(), unit("u")); errors.Is(err, crmclient.ErrBreakerOpen) {
			t.Fatalf("the breaker opened too early: %v", err)
		}
	}
	_, err := link.Deploy(t.Context(), unit("u"))
	if !errors.Is(err, crmclient.ErrBreakerOpen) || !crmclient.IsUnreachable(err) {
		t.Errorf("error %v, want an open breaker that counts as unreachable", err)
	}
	if m.callCount() != 3 {
		t.Errorf("%d calls were made, want 3", m.callCount())
	}
	got := link.Breaker()
	if got.State != pmv1alpha1.CircuitOpen || got.Failures != 3 || got.OpenUntil == nil || time.Until(got.OpenUntil.Time) < 50*time.Minute {
		t.Errorf("breaker is %+v, want open for an hour after 3 failures", got)
	}
}

func TestTheBreakerLetsOneCallThroughAfterItsTimeAndCloses(t *testing.T) {
	m := &manager{deploy: func(_ context.Context, call int, unit *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		if call <= 3 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return &deploymentv1.DeployResponse{DeploymentId: unit.GetId()}, nil
	}}
	options := quick()
	options.BreakerOpenFor = 50 * time.Millisecond
	link := connect(t, newPool(t, options), clusterAt(serve(t, m)))
	polltest.Until(t, "a call succeeds again", func() bool {
		_, err := link.Deploy(t.Context(), unit("u"))
		return err == nil
	})
	if got := link.Breaker(); got.State != pmv1alpha1.CircuitClosed || got.Failures != 0 {
		t.Errorf("breaker is %+v, want closed", got)
	}
}

func TestAnswersDoNotOpenTheBreaker(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.FailedPrecondition, codes.ResourceExhausted, codes.NotFound, codes.Unauthenticated, codes.PermissionDenied} {
		t.Run(code.String(), func(t *testing.T) {
			m := &manager{deploy: answer(code)}
			link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
			for range 10 {
				if _, err := link.Deploy(t.Context(), unit("u")); errors.Is(err, crmclient.ErrBreakerOpen) {
					t.Fatal("the breaker opened although the cluster answered")
				}
			}
		})
	}
}

func TestACallerThatGivesUpDoesNotOpenTheBreaker(t *testing.T) {
	m := &manager{deploy: func(ctx context.Context, _ int, _ *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	for sentence, within := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"a caller that goes away": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		},
		"a caller that is in a hurry": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			link := connect(t, newPool(t, quick()), clusterAt(serve(t, m)))
			for range 5 {
				ctx, cancel := within(t.Context())
				if _, err := link.Deploy(ctx, unit("u")); !crmclient.IsUnreachable(err) {
					t.Errorf("got %v, want an error of a call without an answer", err)
				}
				cancel()
			}
			if got := link.Breaker(); got.State != pmv1alpha1.CircuitClosed {
				t.Errorf("breaker is %+v, want closed", got)
			}
		})
	}
}

func TestAnEndpointThatNobodyListensOnFailsAtOnce(t *testing.T) {
	link := connect(t, newPool(t, quick()), clusterAt(porttest.Refusing(t), timeout(time.Minute), retries(2)))
	started := time.Now()
	_, err := link.Health(t.Context())
	if !crmclient.IsUnreachable(err) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v, want unreachable because the connection is refused", err)
	}
	if waited := time.Since(started); waited > 10*time.Second {
		t.Errorf("it took %s to notice, want no wait for the deadline of a minute", waited)
	}
}
