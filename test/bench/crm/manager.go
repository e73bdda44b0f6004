// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/apimachinery/pkg/util/wait"

	"oaas.io/oaas/hack/localcluster/cluster"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/grpcserver"
	benchmeasure "oaas.io/oaas/test/bench/measure"
)

const loopback = "127.0.0.1"

// manager is a running Class Runtime Manager.
type manager struct {
	deploymentv1.DeploymentServiceClient
	connection *grpc.ClientConn
	command    *exec.Cmd
	metricsURL string
	logPath    string
}

// startManager runs the program as it would run alone on its cluster, without an
// election: the lease of a leader would be counted among the writes at rest.
func startManager(ctx context.Context, hub *cluster.Cluster, program string) (*manager, error) {
	kubeconfig := filepath.Join(hub.Dir(), "bench-crm.kubeconfig")
	if err := hub.WriteKubeconfig(kubeconfig, "oaas-crm", "system:masters"); err != nil {
		return nil, err
	}
	addresses := map[string]string{}
	for _, purpose := range []string{"GRPC", "METRICS", "HEALTH"} {
		port, err := cluster.FreePort(loopback)
		if err != nil {
			return nil, err
		}
		addresses[purpose] = net.JoinHostPort(loopback, strconv.Itoa(port))
	}
	m := &manager{
		logPath:    filepath.Join(hub.Dir(), "logs", "bench-crm.log"),
		metricsURL: "http://" + addresses["METRICS"],
	}
	log, err := os.Create(m.logPath)
	if err != nil {
		return nil, fmt.Errorf("making the log of the runtime manager: %w", err)
	}
	defer func() { _ = log.Close() }() // the program has its own descriptor
	m.command = exec.CommandContext(ctx, program, "--kubeconfig="+kubeconfig, "--leader-election=false")
	for purpose, address := range addresses {
		m.command.Env = append(m.command.Env, "OPRC_CRM_"+purpose+"_ADDRESS="+address)
	}
	m.command.Env = append(m.command.Env, "OPRC_CRM_FEATURES_PROFILING=true")
	m.command.Stdout, m.command.Stderr = log, log
	if err := m.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the runtime manager: %w", err)
	}
	if err := m.awaitReady(ctx, "http://"+addresses["HEALTH"]+"/readyz"); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	m.connection, err = grpc.NewClient(addresses["GRPC"], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(grpcserver.MaxMessage)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reaching the runtime manager: %w", err), m.stop())
	}
	m.DeploymentServiceClient = deploymentv1.NewDeploymentServiceClient(m.connection)
	return m, nil
}

func (m *manager) awaitReady(ctx context.Context, url string) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, last = fetch(ctx, url)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the runtime manager did not get ready: %w\n%s", errors.Join(err, last), cluster.LogTail(m.logPath))
	}
	return nil
}

func (m *manager) stop() error {
	var err error
	if m.connection != nil {
		err = m.connection.Close()
	}
	if m.command.Process == nil {
		return err
	}
	if interrupted := m.command.Process.Signal(os.Interrupt); interrupted != nil {
		return errors.Join(err, interrupted)
	}
	return errors.Join(err, m.command.Wait())
}

// heap is the memory of live objects, in bytes. The first collection moves what
// pools hold aside, the second frees it.
func (m *manager) heap(ctx context.Context) (int64, error) {
	var live int64
	for range 2 {
		body, err := open(ctx, m.metricsURL+"/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			return 0, err
		}
		live, err = benchmeasure.LiveHeapBytes(body)
		if err = errors.Join(err, body.Close()); err != nil {
			return 0, err
		}
	}
	return live, nil
}

// profile writes a CPU profile until the time has passed.
func (m *manager) profile(ctx context.Context, path string, duration time.Duration) error {
	content, err := fetch(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", m.metricsURL, int(duration.Seconds())))
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644) //nolint:gosec // a profile is no secret
}

// counters are what the runtime manager counts about itself.
type counters struct {
	// writes and reads are requests to the API server that ended; the start of a
	// watch is a read.
	writes, reads float64
	// passes are passes over records, by how long they took at most, in seconds.
	passes map[float64]float64
	// count and seconds of all passes.
	count, seconds float64
}

func (m *manager) counters(ctx context.Context) (counters, error) {
	body, err := open(ctx, m.metricsURL+"/metrics")
	if err != nil {
		return counters{}, err
	}
	defer func() { _ = body.Close() }() // what matters was read
	parser := expfmt.NewTextParser(prommodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return counters{}, fmt.Errorf("reading the metrics of the runtime manager: %w", err)
	}
	c := counters{passes: map[float64]float64{}}
	for _, metric := range families["rest_client_requests_total"].GetMetric() {
		if label(metric, "method") == http.MethodGet {
			c.reads += metric.GetCounter().GetValue()
		} else {
			c.writes += metric.GetCounter().GetValue()
		}
	}
	for _, metric := range families["crm_reconciliation_duration_seconds"].GetMetric() {
		histogram := metric.GetHistogram()
		c.count += float64(histogram.GetSampleCount())
		c.seconds += histogram.GetSampleSum()
		for _, bucket := range histogram.GetBucket() {
			c.passes[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
		}
	}
	return c, nil
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// since is what was counted after an earlier moment.
func (c counters) since(before counters) counters {
	difference := counters{
		writes: c.writes - before.writes, reads: c.reads - before.reads,
		count: c.count - before.count, seconds: c.seconds - before.seconds,
		passes: map[float64]float64{},
	}
	for bound, count := range c.passes {
		difference.passes[bound] = count - before.passes[bound]
	}
	return difference
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	body, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(body)
	return content, errors.Join(err, body.Close())
}

func open(ctx context.Context, url string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s answered %s", url, response.Status), response.Body.Close())
	}
	return response.Body, nil
}
