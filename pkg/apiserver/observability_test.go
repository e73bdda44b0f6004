// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// parse sets options as the command line does.
func parse(t *testing.T, args ...string) func(*Options) {
	t.Helper()
	return func(o *Options) {
		known := map[string]bool{}
		for _, flags := range o.Flags().FlagSets {
			for _, arg := range args {
				name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
				if flags.Lookup(name) == nil {
					continue
				}
				known[arg] = true
				if err := flags.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, arg := range args {
			if !known[arg] {
				t.Fatalf("there is no flag %s", arg)
			}
		}
	}
}

func TestAuditLogTellsWhoDidWhat(t *testing.T) {
	dir := t.TempDir()
	policy, log, ca := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log"), filepath.Join(dir, "ca.crt")
	writeFile(t, policy, `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  verbs: [create]
  resources: [{group: pm.oaas.io, resources: [packages]}]
- level: None
`)
	authority := newAuthority(t)
	writeFile(t, ca, string(authority.Cert))
	s := runServer(t, dataFolder(t), parse(t, "--audit-policy-file="+policy, "--audit-log-path="+log, "--client-ca-file="+ca))
	client := versioned.NewForConfigOrDie(s.as(certificate(t, authority, "ann", "system:masters")))
	must(client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("audited"), metav1.CreateOptions{}))(t)
	must(client.PmV1alpha1().Packages(namespace).Get(t.Context(), "audited", metav1.GetOptions{}))(t)

	var events []auditv1.Event
	waitFor(t, "the create is in the log", func() bool {
		content, err := os.ReadFile(log)
		if err != nil {
			return false
		}
		events = nil
		for line := range bytes.Lines(content) {
			var event auditv1.Event
			if err := json.Unmarshal(line, &event); err != nil {
				return false // a line that is being written
			}
			events = append(events, event)
		}
		return len(events) > 0
	})
	if len(events) != 1 {
		t.Fatalf("the log has %d events, want the create alone, as the policy says", len(events))
	}
	got := events[0]
	if got.User.Username != "ann" || got.Verb != "create" || got.ObjectRef == nil || got.ObjectRef.Name != "audited" ||
		got.ObjectRef.Namespace != namespace || got.ResponseStatus.Code != 201 || !strings.Contains(string(got.RequestObject.Raw), "Echo.echo") {
		t.Errorf("the log has %+v, want that ann created the package", got)
	}
}

// traces is a collector that remembers the names of spans.
type traces struct {
	collector.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans map[string]bool
}

// Export implements collector.TraceServiceServer.
func (c *traces) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[span.GetName()] = true
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (c *traces) has(part string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.spans {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func TestTracesLeadFromTheRequestToEtcd(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, received := grpc.NewServer(), &traces{spans: map[string]bool{}}
	collector.RegisterTraceServiceServer(server, received)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	file := filepath.Join(t.TempDir(), "tracing.yaml")
	writeFile(t, file, fmt.Sprintf("apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: %s\nsamplingRatePerMillion: 1000000\n", listener.Addr()))

	s := runServer(t, dataFolder(t), parse(t, "--tracing-config-file="+file))
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("traced"), metav1.CreateOptions{}))(t)
	for _, span := range []string{"Create", "etcdserverpb.KV/"} {
		waitFor(t, "the collector gets a span of "+span, func() bool { return received.has(span) })
	}
}

func TestMetricsAreServedToThoseWhoMay(t *testing.T) {
	s := runServer(t, dataFolder(t))
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("measured"), metav1.CreateOptions{}))(t)
	body := string(must(s.raw(t).Get().AbsPath("/metrics").DoRaw(t.Context()))(t))
	for _, metric := range []string{
		`group="pm.oaas.io",resource="packages",scope="resource",subresource="",verb="POST"`,
		"apiserver_longrunning_requests", "etcd_request_duration_seconds", "apiserver_storage_objects", "workqueue_", "go_goroutines",
	} {
		if !strings.Contains(body, metric) {
			t.Errorf("the metrics lack %s", metric)
		}
	}
}
