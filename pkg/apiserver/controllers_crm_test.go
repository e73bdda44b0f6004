// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// remote is a cluster's side of the gRPC contract, in memory and over a real
// connection. Units become available at once; a test makes it hang, refuse or
// keep what it should remove.
type remote struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	crmv1.UnimplementedCrmInfoServiceServer
	endpoint string

	mu       sync.Mutex
	version  int
	records  map[string]*deploymentv1.DeploymentRecord
	watchers map[chan *deploymentv1.WatchDeploymentRecordsResponse]struct{}
	sent     map[string]int
	// onDeploy is asked first; an error is the answer.
	onDeploy func(context.Context, *deploymentv1.DeploymentUnit) error
	// hangs makes every call wait for its deadline.
	hangs bool
	// keeps makes deletions begin and not end.
	keeps bool
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{
		endpoint: listener.Addr().String(),
		records:  map[string]*deploymentv1.DeploymentRecord{},
		watchers: map[chan *deploymentv1.WatchDeploymentRecordsResponse]struct{}{},
		sent:     map[string]int{},
	}
	server := grpc.NewServer()
	deploymentv1.RegisterDeploymentServiceServer(server, r)
	crmv1.RegisterCrmInfoServiceServer(server, r)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serving a cluster: %v", err)
		}
	})
	return r
}

// set changes how the cluster behaves.
func (r *remote) set(change func(*remote)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

func (r *remote) timesSent(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[id]
}

func (r *remote) record(id string) *deploymentv1.DeploymentRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[id]
}

// lose removes a record as somebody with kubectl would.
func (r *remote) lose(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
}

func (r *remote) waitIfHanging(ctx context.Context) error {
	r.mu.Lock()
	hangs := r.hangs
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

func (r *remote) Deploy(ctx context.Context, request *deploymentv1.DeployRequest) (*deploymentv1.DeployResponse, error) {
	if err := r.waitIfHanging(ctx); err != nil {
		return nil, err
	}
	unit := request.GetUnit()
	r.mu.Lock()
	onDeploy := r.onDeploy
	r.mu.Unlock()
	if onDeploy != nil {
		if err := onDeploy(ctx, unit); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent[unit.GetId()]++
	record := &deploymentv1.DeploymentRecord{
		Unit: proto.Clone(unit).(*deploymentv1.DeploymentUnit),
		Status: &deploymentv1.DeploymentStatus{
			Condition: deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING, Phase: deploymentv1.RecordPhase_RECORD_PHASE_READY, Current: true,
			Conditions: []*deploymentv1.Condition{{Type: "Available", Status: "True"}, {Type: "Progressing", Status: "False"}},
		},
	}
	for _, function := range unit.GetFunctionContainers() {
		record.Status.Functions = append(record.Status.Functions, &deploymentv1.FunctionStatus{FunctionKey: function.GetFunctionKey(), Replicas: 1, ReadyReplicas: 1})
	}
	kind := deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED
	if r.records[unit.GetId()] != nil {
		kind = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED
	}
	r.records[unit.GetId()] = record
	r.publish(kind, record)
	return &deploymentv1.DeployResponse{DeploymentId: unit.GetId(), Record: record}, nil
}

func (r *remote) DeleteDeployment(ctx context.Context, request *deploymentv1.DeleteDeploymentRequest) (*deploymentv1.DeleteDeploymentResponse, error) {
	if err := r.waitIfHanging(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	record := r.records[request.GetDeploymentId()]
	switch {
	case record == nil:
	case record.GetUnit().GetNamespace() != request.GetNamespace() || record.GetUnit().GetClassDeployment() != request.GetClassDeployment():
	case r.keeps:
		leaving := proto.Clone(record).(*deploymentv1.DeploymentRecord)
		leaving.DeletedAt = timestamppb.Now()
		r.records[request.GetDeploymentId()] = leaving
		r.publish(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED, leaving)
		return &deploymentv1.DeleteDeploymentResponse{}, nil
	default:
		r.drop(request.GetDeploymentId())
	}
	return &deploymentv1.DeleteDeploymentResponse{Gone: true}, nil
}

func (r *remote) GetClusterHealth(ctx context.Context, _ *crmv1.GetClusterHealthRequest) (*crmv1.GetClusterHealthResponse, error) {
	if err := r.waitIfHanging(ctx); err != nil {
		return nil, err
	}
	return &crmv1.GetClusterHealthResponse{
		Status: crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY, CrmVersion: "v1", NodeCount: 3, ReadyNodes: 3, Availability: "0.999",
		Capacity: map[string]string{"cpu": "12"}, Allocated: map[string]string{"cpu": "1500m"},
	}, nil
}

func (r *remote) WatchDeploymentRecords(_ *deploymentv1.WatchDeploymentRecordsRequest, stream grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]) error {
	if err := r.waitIfHanging(stream.Context()); err != nil {
		return err
	}
	events := make(chan *deploymentv1.WatchDeploymentRecordsResponse, 1000)
	r.mu.Lock()
	for _, record := range r.records {
		events <- r.event(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED, record)
	}
	events <- r.event(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK, nil)
	r.watchers[events] = struct{}{}
	r.mu.Unlock()
	defer r.set(func(r *remote) { delete(r.watchers, events) })
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case e := <-events:
			if err := stream.Send(e); err != nil {
				return fmt.Errorf("sending an event: %w", err)
			}
		}
	}
}

func (r *remote) drop(id string) {
	if record := r.records[id]; record != nil {
		delete(r.records, id)
		r.publish(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED, record)
	}
}

func (r *remote) publish(kind deploymentv1.WatchEventType, record *deploymentv1.DeploymentRecord) {
	r.version++
	for watcher := range r.watchers {
		watcher <- r.event(kind, record)
	}
}

func (r *remote) event(kind deploymentv1.WatchEventType, record *deploymentv1.DeploymentRecord) *deploymentv1.WatchDeploymentRecordsResponse {
	return &deploymentv1.WatchDeploymentRecordsResponse{Type: kind, Record: record, ResourceVersion: strconv.Itoa(r.version)}
}

// refuse answers with an error.
func refuse(code codes.Code, message string) func(context.Context, *deploymentv1.DeploymentUnit) error {
	return func(context.Context, *deploymentv1.DeploymentUnit) error { return status.Error(code, message) }
}
