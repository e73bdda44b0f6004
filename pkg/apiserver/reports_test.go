// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/timestamppb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/runtimestates"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
	"oaas.io/oaas/pkg/pki"
)

const crmName = "oaas-crm.oaas-system.svc"

// taking has a server take reports on a listener.
func taking(t *testing.T, address *string) func(*Options) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	*address = listener.Addr().String()
	return func(o *Options) { o.Reports.Listener = listener }
}

// reporter calls as the Class Runtime Manager of a cluster.
func reporter(t *testing.T, s *server, address string, authority *pki.Authority) packagev1.PackageServiceClient {
	t.Helper()
	pair, err := authority.Issue(pki.Request{User: crmName, Hosts: []string{crmName}, Client: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.ca)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{certificate},
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return packagev1.NewPackageServiceClient(connection)
}

func TestReportsOfClustersAreServedAsRuntimeStates(t *testing.T) {
	ctx, dir := t.Context(), dataFolder(t)
	authority, err := pki.NewAuthority("oaas", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var address string
	s := runServer(t, dir, taking(t, &address))
	pm := s.client.PmV1alpha1()
	if _, err := pm.Clusters().Create(ctx, &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec:       pmv1alpha1.ClusterSpec{Endpoint: "10.0.0.1:8081", TLS: &pmv1alpha1.ClusterTLS{CABundle: authority.Cert, ServerName: crmName}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	deployment, err := pm.ClassDeployments("shop").Create(ctx, &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"},
		Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "pkg", ClassKey: "Cart", TargetEnvironments: []string{"prod"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plan := func(client versioned.Interface, ids ...string) {
		deployment.Status.Units = nil
		for _, id := range ids {
			deployment.Status.Units = append(deployment.Status.Units, pmv1alpha1.DeploymentUnitStatus{Cluster: "a", DeploymentID: id, Environment: "prod"})
		}
		if deployment, err = client.PmV1alpha1().ClassDeployments("shop").UpdateStatus(ctx, deployment, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	plan(s.client, "cart-1", "cart-2")

	client := reporter(t, s, address, authority)
	report := func(message string) {
		t.Helper()
		request := &packagev1.ReportDeploymentStatusRequest{Cluster: "a"}
		for _, id := range []string{"cart-1", "cart-2"} {
			request.Statuses = append(request.Statuses, &packagev1.UnitStatus{
				Unit:   &packagev1.Unit{Namespace: "shop", DeploymentId: id, ClassDeployment: "cart"},
				Health: packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY, Condition: "Running", Message: message, ObservedAt: timestamppb.Now(),
			})
		}
		// The caches of a server that has just started, and of new objects, lag behind.
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
			response, err := client.ReportDeploymentStatus(ctx, request)
			for _, result := range response.GetResults() {
				if result.GetOutcome() != packagev1.ReportOutcome_REPORT_OUTCOME_ACCEPTED {
					return false, nil
				}
			}
			return err == nil, nil
		})
		if err != nil {
			t.Fatalf("reporting: %v", err)
		}
	}
	states := func(client versioned.Interface, selector string) []pmv1alpha1.RuntimeState {
		t.Helper()
		list, err := client.PmV1alpha1().RuntimeStates("shop").List(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	until := func(what string, check func() bool) {
		t.Helper()
		if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, readyWithin, true, func(context.Context) (bool, error) { return check(), nil }); err != nil {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}

	report("first")
	until("both states are listed by their health", func() bool {
		return len(states(s.client, "status.health=Healthy,spec.cluster=a,spec.classDeployment=cart")) == 2
	})
	if _, err := pm.RuntimeStates("shop").Get(ctx, "a.cart-1", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	raw := s.raw(t)
	for verb, err := range map[string]error{
		"create": raw.Post().AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/shop/runtimestates").Body([]byte("{}")).Do(ctx).Error(),
		"update": raw.Put().AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/shop/runtimestates/a.cart-1").Body([]byte("{}")).Do(ctx).Error(),
		"patch":  raw.Patch(types.MergePatchType).AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/shop/runtimestates/a.cart-1").Body([]byte("{}")).Do(ctx).Error(),
	} {
		if !apierrors.IsMethodNotSupported(err) {
			t.Errorf("%s by a user: err = %v, want 405", verb, err)
		}
	}

	// Accepted within the interval, so it still waits to be written.
	report("second")
	s.stop()
	s = runServer(t, dir)
	for _, state := range states(s.client, "") {
		if state.Status.Message != "second" {
			t.Errorf("after an orderly restart %s says %q, want what was accepted before", state.Name, state.Status.Message)
		}
	}

	factory := externalversions.NewSharedInformerFactory(s.client, 0)
	cleaner, err := runtimestates.New(runtimestates.Config{
		Client: s.client, RuntimeStates: factory.Pm().V1alpha1().RuntimeStates(), ClassDeployments: factory.Pm().V1alpha1().ClassDeployments(),
	})
	if err != nil {
		t.Fatal(err)
	}
	cleaning, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	factory.StartWithContext(cleaning)
	go func() { ended <- cleaner.Run(cleaning) }()
	defer func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	plan(s.client, "cart-1")
	until("the state of a unit that left is gone", func() bool {
		left := states(s.client, "")
		return len(left) == 1 && left[0].Name == "a.cart-1"
	})
	if err := s.client.PmV1alpha1().ClassDeployments("shop").Delete(ctx, "cart", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// Nobody undeploys here, where the other controllers do not run.
	if _, err := s.client.PmV1alpha1().ClassDeployments("shop").Patch(ctx, "cart", types.MergePatchType,
		[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until("the states of a deployment that was deleted are gone", func() bool { return len(states(s.client, "")) == 0 })
}

func TestReportOptionsAreValidated(t *testing.T) {
	for name, change := range map[string]func(*ReportOptions){
		"a port that is none":    func(o *ReportOptions) { o.Port = 70000 },
		"no time between writes": func(o *ReportOptions) { o.Interval = 0 },
		"no writes at all":       func(o *ReportOptions) { o.WritesPerSecond = 0 },
	} {
		o := NewReportOptions()
		if errs := o.Validate(); len(errs) > 0 || o.Enabled() {
			t.Fatalf("the defaults: enabled %t, %v; want off and valid", o.Enabled(), errs)
		}
		change(o)
		if len(o.Validate()) != 1 {
			t.Errorf("%s: accepted", name)
		}
	}
}
