// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestWatchEndsWithTheProgram(t *testing.T) {
	p := startProgram(t)
	stream, err := p.WatchDeploymentRecords(t.Context(), &deploymentv1.WatchDeploymentRecordsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK {
			break
		}
	}
	start := time.Now()
	// What else ends with the program may take its time.
	p.stop()
	for err == nil {
		_, err = stream.Recv()
	}
	if took := time.Since(start); status.Code(err) != codes.Unavailable || took > 8*time.Second {
		t.Errorf("the stream ended after %v with %v, want UNAVAILABLE at once", took, err)
	}
}

func TestListAndWatch(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	namespace := newNamespace(t, c)
	environment := namespace
	unit := func(i int) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
			u.Id, u.Environment, u.FunctionContainers = fmt.Sprintf("%s-%d", namespace, i), environment, nil
		})
	}
	for i := range 3 {
		p.deploy(t, unit(i))
	}
	filter := &deploymentv1.RecordFilter{Environment: environment}
	eventually(t, "pages hold all records in order", func(ctx context.Context) error {
		var ids []string
		request := &deploymentv1.ListDeploymentRecordsRequest{Filter: filter, PageSize: 2}
		for {
			page, err := p.ListDeploymentRecords(ctx, request)
			if err != nil {
				return err
			}
			for _, record := range page.GetRecords() {
				ids = append(ids, record.GetUnit().GetId())
			}
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				break
			}
		}
		if want := []string{namespace + "-0", namespace + "-1", namespace + "-2"}; !slices.Equal(ids, want) {
			return fmt.Errorf("ids = %v, want %v", ids, want)
		}
		return nil
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	var version string
	for added := 0; ; added++ {
		event, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK {
			if added != 3 {
				t.Errorf("%d records before the first bookmark, want 3", added)
			}
			version = event.GetResourceVersion()
			break
		}
	}
	p.deploy(t, unit(3))
	resumed, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{Filter: filter, ResourceVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]interface {
		Recv() (*deploymentv1.WatchDeploymentRecordsResponse, error)
	}{"the first stream": stream, "the resumed stream": resumed} {
		for {
			event, err := s.Recv()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if event.GetRecord().GetUnit().GetId() == namespace+"-3" && event.GetType() == deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED {
				break
			}
		}
	}
	tooOld, err := p.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{ResourceVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	// The stream stands before the API server has said what it thinks of the version.
	for err == nil {
		var event *deploymentv1.WatchDeploymentRecordsResponse
		if event, err = tooOld.Recv(); err == nil && event.GetType() != deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK {
			t.Fatalf("a version that is too old got %v", event)
		}
	}
	if status.Code(err) != codes.OutOfRange {
		t.Errorf("err of a version that is too old = %v, want OUT_OF_RANGE", err)
	}
}

func TestClusterHealthAndMetrics(t *testing.T) {
	p := startProgram(t)
	eventually(t, "the cluster is healthy", func(ctx context.Context) error {
		health, err := p.info.GetClusterHealth(ctx, &crmv1.GetClusterHealthRequest{})
		if err != nil {
			return err
		}
		if health.GetStatus() != crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY || health.GetNodeCount() != 3 || health.GetReadyNodes() != 3 ||
			health.GetCapacity()["cpu"] == "" || !strings.HasPrefix(health.GetKubernetesVersion(), "v1.") {
			return fmt.Errorf("health = %v", health)
		}
		return nil
	})
	body, err := fetch(t.Context(), "http://"+p.settings.MetricsAddress+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crm_active_deployments", "crm_grpc_call_duration_seconds_count"} {
		if !strings.Contains(body, name) {
			t.Errorf("no metric %s", name)
		}
	}
}
