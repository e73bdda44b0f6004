// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// manager is the other side of the link, over a real connection, as well or as
// badly behaved as a test wants.
type manager struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	crmv1.UnimplementedCrmInfoServiceServer

	mu       sync.Mutex
	calls    int
	metadata metadata.MD
	resumes  []string
	deploy   func(ctx context.Context, call int, unit *deploymentv1.DeploymentUnit) (*deploymentv1.DeployResponse, error)
	watch    func(version string, stream grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]) error
}

func (m *manager) Deploy(ctx context.Context, request *deploymentv1.DeployRequest) (*deploymentv1.DeployResponse, error) {
	m.mu.Lock()
	m.calls++
	call := m.calls
	m.metadata, _ = metadata.FromIncomingContext(ctx)
	deploy := m.deploy
	m.mu.Unlock()
	if deploy == nil {
		return &deploymentv1.DeployResponse{DeploymentId: request.GetUnit().GetId()}, nil
	}
	return deploy(ctx, call, request.GetUnit())
}

func (m *manager) DeleteDeployment(context.Context, *deploymentv1.DeleteDeploymentRequest) (*deploymentv1.DeleteDeploymentResponse, error) {
	return nil, status.Error(codes.NotFound, "no such deployment")
}

func (m *manager) WatchDeploymentRecords(request *deploymentv1.WatchDeploymentRecordsRequest, stream grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]) error {
	m.mu.Lock()
	m.resumes = append(m.resumes, request.GetResourceVersion())
	watch := m.watch
	m.mu.Unlock()
	if watch == nil {
		<-stream.Context().Done()
		return nil
	}
	return watch(request.GetResourceVersion(), stream)
}

func (m *manager) callCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func (m *manager) header(key string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.metadata.Get(key)
}

func (m *manager) watched() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.resumes...)
}

// serve runs the manager on loopback and returns its address.
func serve(t *testing.T, m *manager, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, m, listener, options...)
	return listener.Addr().String()
}

func serveOn(t *testing.T, m *manager, listener net.Listener, options ...grpc.ServerOption) (stop func()) {
	t.Helper()
	server := grpc.NewServer(options...)
	deploymentv1.RegisterDeploymentServiceServer(server, m)
	crmv1.RegisterCrmInfoServiceServer(server, m)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func clusterAt(endpoint string, options ...func(*pmv1alpha1.ClusterSpec)) *pmv1alpha1.Cluster {
	c := &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec: pmv1alpha1.ClusterSpec{
			Endpoint:      endpoint,
			Timeout:       &metav1.Duration{Duration: 30 * time.Second},
			RetryAttempts: ptr.To[int32](0),
		},
	}
	for _, option := range options {
		option(&c.Spec)
	}
	return c
}

func timeout(d time.Duration) func(*pmv1alpha1.ClusterSpec) {
	return func(s *pmv1alpha1.ClusterSpec) { s.Timeout = &metav1.Duration{Duration: d} }
}

func retries(n int32) func(*pmv1alpha1.ClusterSpec) {
	return func(s *pmv1alpha1.ClusterSpec) { s.RetryAttempts = &n }
}

// quick are options under which nothing takes long.
func quick() crmclient.Options {
	return crmclient.Options{
		BreakerFailures: 3, BreakerOpenFor: time.Hour,
		RetryBackoff: time.Millisecond, WatchBackoff: 10 * time.Millisecond, MaxWatchBackoff: 50 * time.Millisecond,
		StaleAfter: 100 * time.Millisecond,
	}
}

func newPool(t *testing.T, options crmclient.Options) *crmclient.Pool {
	t.Helper()
	pool := crmclient.NewPool(options)
	t.Cleanup(pool.Close)
	return pool
}

func connect(t *testing.T, pool *crmclient.Pool, cluster *pmv1alpha1.Cluster) *crmclient.Link {
	t.Helper()
	link, err := pool.Ensure(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func unit(id string) *deploymentv1.DeploymentUnit {
	return &deploymentv1.DeploymentUnit{Id: id, Namespace: "shop", ClassDeployment: "cart", Hash: "h-" + id}
}

func event(kind deploymentv1.WatchEventType, version, id string) *deploymentv1.WatchDeploymentRecordsResponse {
	response := &deploymentv1.WatchDeploymentRecordsResponse{Type: kind, ResourceVersion: version}
	if id != "" {
		response.Record = &deploymentv1.DeploymentRecord{Unit: unit(id)}
	}
	return response
}
