// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// CorrelationIDKey is the metadata key of the id under which both sides log a
// call.
const CorrelationIDKey = "oaas-correlation-id"

// healthTimeout bounds the question how a cluster is doing.
const healthTimeout = 10 * time.Second

// errGivenUp means that the caller did not wait for the answer.
var errGivenUp = errors.New("the caller gave up")

// Link is the connection to one cluster. Each call has the cluster's timeout as
// its deadline, repetitions included, and goes through the circuit breaker.
type Link struct {
	cluster     string
	fingerprint string
	settings    settings
	opts        Options
	log         logr.Logger
	connection  *grpc.ClientConn
	deployments deploymentv1.DeploymentServiceClient
	info        crmv1.CrmInfoServiceClient
	breaker     *breaker
	records     *records
	changed     func(Change)
	stop        context.CancelFunc
	stopped     sync.WaitGroup
}

func newLink(cluster, fingerprint string, s settings, opts Options, changed func(Change)) (*Link, error) {
	connection, err := s.dial(opts)
	if err != nil {
		return nil, err
	}
	l := &Link{
		cluster:     cluster,
		fingerprint: fingerprint,
		settings:    s,
		opts:        opts,
		log:         opts.Log.WithValues("cluster", cluster),
		connection:  connection,
		deployments: deploymentv1.NewDeploymentServiceClient(connection),
		info:        crmv1.NewCrmInfoServiceClient(connection),
		records:     newRecords(),
		changed:     changed,
	}
	l.breaker = newBreaker(opts.BreakerFailures, opts.BreakerOpenFor, opts.Clock, func() { changed(Change{Cluster: cluster}) })
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.stopped.Go(func() { l.follow(ctx) })
	return l, nil
}

// close ends the stream and the connection. Calls under way fail.
func (l *Link) close() {
	l.stop()
	if err := l.connection.Close(); err != nil {
		l.log.V(2).Info("Closing the connection failed", "err", err)
	}
	l.stopped.Wait()
}

// Cluster is the name of the cluster.
func (l *Link) Cluster() string { return l.cluster }

// Breaker tells the state of the circuit breaker.
func (l *Link) Breaker() pmv1alpha1.CircuitBreakerStatus { return l.breaker.status() }

// Record tells what is known of a record, without asking the cluster.
func (l *Link) Record(deploymentID string) RecordState { return l.records.get(deploymentID) }

// Records tells all that is known of the cluster's records, ordered by id,
// without asking the cluster. known is false until the cluster has told all of
// them once; stale is true while it is out of contact. The records are not to be
// changed.
func (l *Link) Records() (all []*deploymentv1.DeploymentRecord, known, stale bool) {
	return l.records.list()
}

// Deploy creates the unit on the cluster or brings it to the given content.
func (l *Link) Deploy(ctx context.Context, unit *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
	return call(ctx, l, "Deploy", func(ctx context.Context) (*deploymentv1.DeployResponse, error) {
		return l.deployments.Deploy(ctx, &deploymentv1.DeployRequest{Unit: unit})
	})
}

// DryRun lets the cluster check the unit and changes nothing.
func (l *Link) DryRun(ctx context.Context, unit *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error) {
	return call(ctx, l, "Deploy", func(ctx context.Context) (*deploymentv1.DeployResponse, error) {
		return l.deployments.Deploy(ctx, &deploymentv1.DeployRequest{Unit: unit, DryRun: true})
	})
}

// Render asks the cluster what it would make of a unit, and changes nothing.
func (l *Link) Render(ctx context.Context, unit *deploymentv1.DeploymentUnit) (*deploymentv1.RenderDeploymentResponse, error) {
	return call(ctx, l, "RenderDeployment", func(ctx context.Context) (*deploymentv1.RenderDeploymentResponse, error) {
		return l.deployments.RenderDeployment(ctx, &deploymentv1.RenderDeploymentRequest{Unit: unit})
	})
}

// Delete asks for the removal of a unit of a class deployment; gone is true once
// nothing of it is left. Deleting what does not exist, or is another one's, succeeds.
func (l *Link) Delete(ctx context.Context, owner types.NamespacedName, deploymentID string) (gone bool, err error) {
	answer, err := call(ctx, l, "DeleteDeployment", func(ctx context.Context) (*deploymentv1.DeleteDeploymentResponse, error) {
		return l.deployments.DeleteDeployment(ctx, &deploymentv1.DeleteDeploymentRequest{
			DeploymentId: deploymentID, Namespace: owner.Namespace, ClassDeployment: owner.Name,
		})
	})
	if IsNotFound(err) {
		return true, nil
	}
	return answer.GetGone(), err
}

// Health asks the cluster how it is doing. A cluster that takes longer than ten
// seconds is not doing well, also where other calls may take longer.
func (l *Link) Health(ctx context.Context) (*crmv1.GetClusterHealthResponse, error) {
	return callWithin(ctx, l, min(l.settings.Timeout, healthTimeout), "GetClusterHealth", func(ctx context.Context) (*crmv1.GetClusterHealthResponse, error) {
		return l.info.GetClusterHealth(ctx, &crmv1.GetClusterHealthRequest{})
	})
}

// call makes a call with the cluster's timeout.
func call[T any](ctx context.Context, l *Link, method string, do func(context.Context) (T, error)) (T, error) {
	return callWithin(ctx, l, l.settings.Timeout, method, do)
}

func callWithin[T any](ctx context.Context, l *Link, timeout time.Duration, method string, do func(context.Context) (T, error)) (T, error) {
	correlationID := uuid.NewString()
	var answer T
	err := l.breaker.do(func() error {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		var err error
		answer, err = do(metadata.AppendToOutgoingContext(bounded, CorrelationIDKey, correlationID))
		if err != nil && ctx.Err() != nil {
			// The caller gave up; that is no failure of the cluster. Callers may be users,
			// who choose how long a request of theirs may take.
			return fmt.Errorf("%w: %w", errGivenUp, ctx.Err())
		}
		return err
	})
	if err != nil {
		failed := newError(l.cluster, method, correlationID, err)
		l.log.V(1).Info("Call failed", "method", method, "correlationID", correlationID, "err", failed)
		var none T
		return none, failed
	}
	l.log.V(4).Info("Call succeeded", "method", method, "correlationID", correlationID)
	return answer, nil
}
