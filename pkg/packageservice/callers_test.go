// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"crypto/tls"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/pki"
	"oaas.io/oaas/pkg/reports"
)

func TestACallerReportsForItsOwnClusterAlone(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a, b := s.join(t, "a"), s.join(t, "b")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1", "b/cart-2")
	// Two objects for one Class Runtime Manager: whose report is it?
	twin := s.join(t, "twin-1")
	s.create(t, resources.Clusters, (&member{name: "twin-2", authority: twin.authority}).cluster(), "")
	polltest.Until(t, "the cache knows the twin", func() bool {
		clusters, err := s.objects.allClusters(t.Context())
		return err == nil && len(clusters) == 4
	})
	server := serve(t, s, clock, reports.Config{})

	cases := map[string]struct {
		certificate *tls.Certificate
		token       string
		cluster     string
		code        codes.Code
		says        string
	}{
		"a cluster reports for itself":                        {certificate: a.own(t), cluster: "a"},
		"another one, too":                                    {certificate: b.own(t), cluster: "b"},
		"one does not report for another":                     {certificate: b.own(t), cluster: "a", code: codes.PermissionDenied, says: `is cluster "b"`},
		"nobody reports without credentials":                  {cluster: "a", code: codes.Unauthenticated, says: "Bearer"},
		"the right authority with another name is not enough": {certificate: a.certificate(t, pki.Request{User: "web", Hosts: []string{"web.shop.svc"}, Client: true}), cluster: "a", code: codes.Unauthenticated, says: "spec.tls.serverName"},
		"a certificate for servers alone is not enough":       {certificate: a.certificate(t, pki.Request{User: serviceName, Hosts: []string{serviceName}}), cluster: "a", code: codes.Unauthenticated, says: "good for clients"},
		"the right name by a stranger is not enough":          {certificate: stranger(t).own(t), cluster: "a", code: codes.Unauthenticated, says: "no cluster"},
		"a certificate that fits two clusters fits none":      {certificate: twin.own(t), cluster: "twin-1", code: codes.PermissionDenied, says: "twin-1, twin-2"},
		"a user with the verb report reports":                 {token: "good", cluster: "a"},
		"but for that cluster alone":                          {token: "good", cluster: "b", code: codes.PermissionDenied, says: `may not report clusters.pm.oaas.io "b"`},
		"a user without it does not":                          {token: "poor", cluster: "a", code: codes.PermissionDenied},
		"an expired token is not accepted":                    {token: "expired", cluster: "a", code: codes.Unauthenticated, says: "expired"},
		"a made-up token is not accepted":                     {token: "made-up", cluster: "a", code: codes.Unauthenticated},
		"a token is what counts beside a certificate":         {certificate: a.own(t), token: "poor", cluster: "a", code: codes.PermissionDenied},
		"a call without a cluster":                            {certificate: a.own(t), code: codes.InvalidArgument, says: "cluster"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if tc.token != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tc.token)
			}
			_, err := server.as(t, tc.certificate).ReportDeploymentStatus(ctx, &packagev1.ReportDeploymentStatusRequest{Cluster: tc.cluster})
			if status.Code(err) != tc.code || !strings.Contains(status.Convert(err).Message(), tc.says) {
				t.Errorf("err = %v, want %v that says %q", err, tc.code, tc.says)
			}
		})
	}
}

func stranger(t *testing.T) *member {
	t.Helper()
	authority, err := pki.NewAuthority("oaas", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &member{name: "a", authority: authority}
}

func TestAClusterReadsThePackagesThatRunOnIt(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	publish := func(name string, dependencies ...string) {
		pkg := &pm.Package{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec: pm.PackageSpec{
				Version: "1.2.3",
				Classes: []pm.ClassDefinition{{Key: "Cart", FunctionBindings: []pm.FunctionBinding{{Name: "add", FunctionKey: "add", AccessModifier: pm.AccessPublic}}}},
				Functions: []pm.FunctionDefinition{{
					Key: "add", Type: pm.FunctionCustom, Provision: &pm.FunctionProvision{Image: "registry.example/add:1", Port: 8080},
				}},
			},
		}
		for _, dependency := range dependencies {
			pkg.Spec.Dependencies = append(pkg.Spec.Dependencies, pm.PackageDependency{Name: dependency})
		}
		s.create(t, resources.Packages, pkg, namespace)
		polltest.Until(t, "the cache knows the package", func() bool {
			cached, err := s.objects.pkg(t.Context(), namespace, name)
			return err == nil && cached != nil
		})
	}
	publish("base")
	publish("lib", "base")
	publish("shop-pkg", "lib")
	publish("other")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	client := serve(t, s, clock, reports.Config{}).as(t, a.own(t))

	for name, code := range map[string]codes.Code{
		"shop-pkg": codes.OK, "lib": codes.OK, "base": codes.OK, "other": codes.PermissionDenied, "absent": codes.PermissionDenied, "Bad/Name": codes.InvalidArgument,
	} {
		response, err := client.GetPackage(t.Context(), &packagev1.GetPackageRequest{Namespace: namespace, Name: name})
		if status.Code(err) != code {
			t.Errorf("package %s: err = %v, want %v", name, err, code)
		}
		if err != nil {
			continue
		}
		pkg := response.GetPackage()
		if pkg.GetVersion() != "1.2.3" || pkg.GetUid() == "" || pkg.GetClasses()[0].GetBindings()[0].GetFunctionKey() != "add" ||
			pkg.GetFunctions()[0].GetImage() != "registry.example/add:1" || pkg.GetGeneration() != 1 {
			t.Errorf("package %s = %v", name, pkg)
		}
	}
	user := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer good")
	if _, err := client.GetPackage(user, &packagev1.GetPackageRequest{Namespace: namespace, Name: "absent"}); status.Code(err) != codes.NotFound {
		t.Errorf("a user who may read: err = %v, want NOT_FOUND", err)
	}
}

func TestHostileReportsAreRefusedWithTheField(t *testing.T) {
	clock, s := newClock(), newEtcd(t).open(t)
	a := s.join(t, "a")
	s.deploy(t, "cart", "shop-pkg", "a/cart-1")
	client := serve(t, s, clock, reports.Config{}).as(t, a.own(t))
	now := timestamppb.New(clock.Now())

	metricsOf := func(m *packagev1.Metrics) error {
		_, err := client.ReportRuntimeMetrics(t.Context(), &packagev1.ReportRuntimeMetricsRequest{
			Cluster: "a", Metrics: []*packagev1.UnitMetrics{{Unit: unit("cart-1"), Total: m, ObservedAt: now}},
		})
		return err
	}
	statusOf := func(change func(*packagev1.UnitStatus)) error {
		report := &packagev1.UnitStatus{Unit: unit("cart-1"), ObservedAt: now}
		change(report)
		_, err := client.ReportDeploymentStatus(t.Context(), &packagev1.ReportDeploymentStatusRequest{Cluster: "a", Statuses: []*packagev1.UnitStatus{report}})
		return err
	}
	many := func() error {
		request := &packagev1.ReportDeploymentStatusRequest{Cluster: "a"}
		for range reports.MaxUnits + 1 {
			request.Statuses = append(request.Statuses, &packagev1.UnitStatus{Unit: unit("cart-1"), ObservedAt: now})
		}
		_, err := client.ReportDeploymentStatus(t.Context(), request)
		return err
	}
	cases := map[string]struct {
		err   error
		field string
	}{
		"not a number":            {metricsOf(&packagev1.Metrics{CpuCores: new(math.NaN())}), "metrics[0].total.cpu_cores"},
		"infinite":                {metricsOf(&packagev1.Metrics{RequestsPerSecond: new(math.Inf(1))}), "metrics[0].total.requests_per_second"},
		"negative":                {metricsOf(&packagev1.Metrics{LatencyP50Ms: new(-1.0)}), "metrics[0].total.latency_p50_ms"},
		"more errors than calls":  {metricsOf(&packagev1.Metrics{ErrorRate: new(1.5)}), "metrics[0].total.error_rate"},
		"negative memory":         {metricsOf(&packagev1.Metrics{MemoryBytes: new(int64(-1))}), "metrics[0].total.memory_bytes"},
		"all memory of the world": {metricsOf(&packagev1.Metrics{MemoryBytes: new(int64(math.MaxInt64))}), "metrics[0].total.memory_bytes"},
		"negative replicas":       {metricsOf(&packagev1.Metrics{ReadyReplicas: -1}), "metrics[0].total.ready_replicas"},
		"from the future": {statusOf(func(u *packagev1.UnitStatus) {
			u.ObservedAt = timestamppb.New(clock.Now().Add(2 * reports.MaxSkew))
		}), "statuses[0].observed_at"},
		"from before everything":   {statusOf(func(u *packagev1.UnitStatus) { u.ObservedAt = &timestamppb.Timestamp{} }), "statuses[0].observed_at"},
		"a broken time":            {statusOf(func(u *packagev1.UnitStatus) { u.ObservedAt = &timestamppb.Timestamp{Nanos: -5} }), "statuses[0].observed_at"},
		"without a time":           {statusOf(func(u *packagev1.UnitStatus) { u.ObservedAt = nil }), "statuses[0].observed_at"},
		"without a unit":           {statusOf(func(u *packagev1.UnitStatus) { u.Unit = nil }), "statuses[0].unit"},
		"a path for an id":         {statusOf(func(u *packagev1.UnitStatus) { u.Unit.DeploymentId = "../../secrets" }), "statuses[0].unit.deployment_id"},
		"terminal control codes":   {statusOf(func(u *packagev1.UnitStatus) { u.Message = "\x1b[2J" }), "statuses[0].message"},
		"an endless message":       {statusOf(func(u *packagev1.UnitStatus) { u.Message = strings.Repeat("x", 1<<20) }), "statuses[0].message"},
		"an unknown health":        {statusOf(func(u *packagev1.UnitStatus) { u.Health = 99 }), "statuses[0].health"},
		"a sentence for a phase":   {statusOf(func(u *packagev1.UnitStatus) { u.Phase = "not a word" }), "statuses[0].phase"},
		"too many units in a call": {many(), "statuses"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if status.Code(tc.err) != codes.InvalidArgument {
				t.Fatalf("err = %v, want INVALID_ARGUMENT", tc.err)
			}
			for _, detail := range status.Convert(tc.err).Details() {
				if bad, ok := detail.(*errdetails.BadRequest); ok && bad.GetFieldViolations()[0].GetField() == tc.field {
					return
				}
			}
			t.Errorf("details = %v, want a violation of %s", status.Convert(tc.err).Details(), tc.field)
		})
	}
	if err := statusOf(func(u *packagev1.UnitStatus) { u.Message = strings.Repeat("x", 5<<20) }); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a call above the size limit: err = %v, want RESOURCE_EXHAUSTED", err)
	}
	if state := s.state(t, "a.cart-1"); state != nil {
		t.Errorf("something was stored: %+v", state)
	}
}

func TestHealthNeedsNoCredentialsAndReflectionDoes(t *testing.T) {
	s := newEtcd(t).open(t)
	a := s.join(t, "a")
	server := serve(t, s, newClock(), reports.Config{})
	response, err := healthv1.NewHealthClient(server.dial(t, nil)).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "oaas.package.v1.PackageService"})
	if err != nil || response.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health = %v, %v", response, err)
	}
	reflect := func(certificate *tls.Certificate) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := reflectionv1.NewServerReflectionClient(server.dial(t, certificate)).ServerReflectionInfo(ctx)
		if err == nil {
			_ = stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
			_, err = stream.Recv()
		}
		return err
	}
	if err := reflect(nil); status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection for a stranger: err = %v, want UNAUTHENTICATED", err)
	}
	if err := reflect(a.own(t)); err != nil {
		t.Errorf("reflection for a cluster: %v", err)
	}
}

func TestOneCallerDoesNotUseUpAnothersShare(t *testing.T) {
	s := newEtcd(t).open(t)
	a, b := s.join(t, "a"), s.join(t, "b")
	server := serve(t, s, newClock(), reports.Config{})
	greedy, modest := server.as(t, a.own(t)), server.as(t, b.own(t))
	refused := false
	for range callBurst + 1 {
		_, err := greedy.ReportDeploymentStatus(t.Context(), &packagev1.ReportDeploymentStatusRequest{Cluster: "a"})
		refused = refused || status.Code(err) == codes.ResourceExhausted
	}
	if !refused {
		t.Error("no call was refused")
	}
	if _, err := modest.ReportDeploymentStatus(t.Context(), &packagev1.ReportDeploymentStatusRequest{Cluster: "b"}); err != nil {
		t.Errorf("another caller: %v", err)
	}
}
