// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords_test

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/internal/porttest"
)

var created = timestamppb.New(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))

// cluster is the other side of a link, over a real connection: it tells its
// records and what changes, and goes away and comes back as a test wants.
type cluster struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	t        *testing.T
	name     string
	endpoint string
	stop     func()
	// release gives the port back that the cluster has while it is stopped.
	release func()

	mu       sync.Mutex
	version  int
	records  map[string]*deploymentv1.DeploymentRecord
	watchers map[chan *deploymentv1.WatchDeploymentRecordsResponse]struct{}
}

// newCluster starts a cluster that has the given records.
func newCluster(t *testing.T, name string, records ...*deploymentv1.DeploymentRecord) *cluster {
	t.Helper()
	c := &cluster{
		t: t, name: name, endpoint: "127.0.0.1:0", release: func() {},
		records:  map[string]*deploymentv1.DeploymentRecord{},
		watchers: map[chan *deploymentv1.WatchDeploymentRecordsResponse]struct{}{},
	}
	for _, r := range records {
		c.records[r.GetUnit().GetId()] = r
	}
	c.start()
	return c
}

// start serves at the address that the cluster had before, if it had one.
func (c *cluster) start() {
	c.t.Helper()
	var listener net.Listener
	c.release()
	polltest.Until(c.t, "the port is free", func() bool {
		var err error
		listener, err = new(net.ListenConfig).Listen(c.t.Context(), "tcp", c.endpoint)
		return err == nil
	})
	c.endpoint = listener.Addr().String()
	server := grpc.NewServer()
	deploymentv1.RegisterDeploymentServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	c.stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			c.t.Errorf("serving cluster %s: %v", c.name, err)
		}
		// Nobody else answers in its place.
		_, c.release = porttest.Hold(c.t, c.endpoint)
	})
	c.t.Cleanup(c.stop)
}

// object is the Cluster that a link follows from.
func (c *cluster) object() *pmv1alpha1.Cluster {
	return &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: c.name},
		Spec: pmv1alpha1.ClusterSpec{
			Endpoint: c.endpoint, Timeout: &metav1.Duration{Duration: 30 * time.Second}, RetryAttempts: ptr.To[int32](0),
		},
	}
}

// put tells a record that is new or changed.
func (c *cluster) put(record *deploymentv1.DeploymentRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED
	if c.records[record.GetUnit().GetId()] != nil {
		kind = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED
	}
	c.records[record.GetUnit().GetId()] = record
	c.tell(kind, record)
}

// drop tells that a record is gone.
func (c *cluster) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record := c.records[id]
	delete(c.records, id)
	c.tell(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED, record)
}

func (c *cluster) tell(kind deploymentv1.WatchEventType, record *deploymentv1.DeploymentRecord) {
	c.version++
	for watcher := range c.watchers {
		watcher <- c.event(kind, record)
	}
}

func (c *cluster) event(kind deploymentv1.WatchEventType, record *deploymentv1.DeploymentRecord) *deploymentv1.WatchDeploymentRecordsResponse {
	return &deploymentv1.WatchDeploymentRecordsResponse{Type: kind, Record: record, ResourceVersion: strconv.Itoa(c.version)}
}

func (c *cluster) WatchDeploymentRecords(_ *deploymentv1.WatchDeploymentRecordsRequest, stream grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]) error {
	events := make(chan *deploymentv1.WatchDeploymentRecordsResponse, 10_000)
	c.mu.Lock()
	for _, record := range c.records {
		events <- c.event(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED, record)
	}
	events <- c.event(deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK, nil)
	c.watchers[events] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, events)
	}()
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

// record is one that serves.
func record(id string, change ...func(*deploymentv1.DeploymentRecord)) *deploymentv1.DeploymentRecord {
	r := &deploymentv1.DeploymentRecord{
		Unit: &deploymentv1.DeploymentUnit{
			Id: id, Namespace: "shop", ClassDeployment: "cart", PackageName: "store", ClassKey: "Cart", Environment: "cloud",
		},
		Status:    &deploymentv1.DeploymentStatus{Condition: deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING},
		CreatedAt: created,
	}
	for _, c := range change {
		c(r)
	}
	return r
}

func in(namespace string) func(*deploymentv1.DeploymentRecord) {
	return func(r *deploymentv1.DeploymentRecord) { r.Unit.Namespace = namespace }
}

func saying(message string) func(*deploymentv1.DeploymentRecord) {
	return func(r *deploymentv1.DeploymentRecord) { r.Status.Message = message }
}
