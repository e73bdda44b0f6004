// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"oaas.io/oaas/pkg/crm/config"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

// packageManager takes reports, as the Package Manager does.
type packageManager struct {
	packagev1.UnimplementedPackageServiceServer

	mu       sync.Mutex
	statuses map[string]*packagev1.UnitStatus
	metrics  map[string]*packagev1.UnitMetrics
	callers  map[string]bool
	busy     int
}

// listenAndTake serves on an address until the test ends. The first calls are
// turned away.
func listenAndTake(t *testing.T, address, dir string, busy int) *packageManager {
	t.Helper()
	pm := &packageManager{statuses: map[string]*packagev1.UnitStatus{}, metrics: map[string]*packagev1.UnitMetrics{}, callers: map[string]bool{}, busy: busy}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert,
	})))
	packagev1.RegisterPackageServiceServer(server, pm)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return pm
}

func (p *packageManager) ReportDeploymentStatus(ctx context.Context, request *packagev1.ReportDeploymentStatusRequest) (*packagev1.ReportDeploymentStatusResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy > 0 {
		p.busy--
		return nil, status.Error(codes.Unavailable, "busy")
	}
	response := &packagev1.ReportDeploymentStatusResponse{}
	for _, s := range request.GetStatuses() {
		p.statuses[request.GetCluster()+"/"+s.GetUnit().GetDeploymentId()] = s
		response.Results = append(response.Results, &packagev1.ReportResult{Outcome: packagev1.ReportOutcome_REPORT_OUTCOME_ACCEPTED})
	}
	if caller, ok := peer.FromContext(ctx); ok {
		if info, ok := caller.AuthInfo.(credentials.TLSInfo); ok {
			p.callers[nameOf(info.State.PeerCertificates)] = true
		}
	}
	return response, nil
}

func (p *packageManager) ReportRuntimeMetrics(_ context.Context, request *packagev1.ReportRuntimeMetricsRequest) (*packagev1.ReportRuntimeMetricsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range request.GetMetrics() {
		p.metrics[request.GetCluster()+"/"+m.GetUnit().GetDeploymentId()] = m
	}
	return &packagev1.ReportRuntimeMetricsResponse{}, nil
}

func nameOf(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	return chain[0].Subject.CommonName
}

func TestRecordsAreReportedToThePackageManager(t *testing.T) {
	c, dir := newClient(t), t.TempDir()
	namespace, address := newNamespace(t, c), freeAddress(t)
	p := startProgram(t, func(s *config.Config) {
		s.Report = config.Report{Endpoint: address, Cluster: "edge-1", CAFile: kube.CAPath(), IntervalSecs: 5}
		s.Report.CertFile, s.Report.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		if err := kube.IssueServingCert(s.Report.CertFile, s.Report.KeyFile, "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	})
	unit := newUnit(namespace)
	p.deploy(t, unit)
	// Nobody takes reports yet, which holds nothing up.
	eventually(t, "the unit is worked on", func(ctx context.Context) error {
		if objects := objectsIn(t, c, namespace); len(objects) == 0 {
			return errors.New("nothing was made for it")
		}
		return ctx.Err()
	})

	pm := listenAndTake(t, address, dir, 1)
	eventually(t, "the unit is reported", func(context.Context) error {
		pm.mu.Lock()
		defer pm.mu.Unlock()
		s, m := pm.statuses["edge-1/"+unit.GetId()], pm.metrics["edge-1/"+unit.GetId()]
		if s == nil || m == nil {
			return fmt.Errorf("reported are %v and %v", pm.statuses, pm.metrics)
		}
		if s.GetUnit().GetNamespace() != unit.GetNamespace() || s.GetUnit().GetClassDeployment() != unit.GetClassDeployment() {
			return terminal(fmt.Errorf("the unit is %v", s.GetUnit()))
		}
		if s.GetHealth() != packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY || s.GetCondition() != "Running" || s.GetObservedAt() == nil {
			return fmt.Errorf("the status is %v, want that of a unit that runs", s)
		}
		if m.GetTotal().GetReadyReplicas() == 0 || m.GetTotal().CpuCores != nil {
			return fmt.Errorf("the metrics are %v, want replicas and nothing that nobody measured", m)
		}
		return nil
	})
	pm.mu.Lock()
	defer pm.mu.Unlock()
	if len(pm.callers) != 1 || pm.callers[""] {
		t.Errorf("callers = %v, want the name of the certificate", pm.callers)
	}
}
