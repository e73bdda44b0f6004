// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/render/names"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// patience bounds every wait; a slow machine needs it, a fast one does not use it.
const patience = 2 * time.Minute

// kube is the control plane that all tests of the package share.
var kube *cluster.Cluster

func TestMain(m *testing.M) {
	if kubeconfig := os.Getenv(kubeconfigVariable); kubeconfig != "" {
		logf.SetLogger(logr.Discard())
		if err := runAsProgram(kubeconfig); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	logf.SetLogger(logr.Discard())
	ctx := context.Background()
	var err error
	if kube, err = cluster.Start(ctx, cluster.Options{Name: "crm"}); err != nil {
		fmt.Fprintln(os.Stderr, "start cluster:", err)
		return 1
	}
	defer func() {
		if err := kube.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop cluster:", err)
		}
	}()
	return m.Run()
}

// program is a Class Runtime Manager that runs in the test's process.
type program struct {
	deploymentv1.DeploymentServiceClient
	info     crmv1.CrmInfoServiceClient
	conn     *grpc.ClientConn
	settings config.Config
	stop     context.CancelFunc
	ended    chan error
}

// startProgram runs the program for developers, in namespaces of its own as far as
// the change of settings says so, and waits until it is ready.
func startProgram(t *testing.T, change ...func(*config.Config)) *program {
	t.Helper()
	return startProgramAs(t, kube.RESTConfig(), change...)
}

// startProgramAs is startProgram with the rights of any user.
func startProgramAs(t *testing.T, restConfig *rest.Config, change ...func(*config.Config)) *program {
	t.Helper()
	settings := config.Defaults(config.ProfileDev)
	settings.Features.LeaderElection = false
	settings.GRPCAddress, settings.HealthAddress, settings.MetricsAddress = freeAddress(t), freeAddress(t), freeAddress(t)
	for _, c := range change {
		c(&settings)
	}
	ctx, stop := context.WithCancel(t.Context())
	p := &program{settings: settings, stop: stop, ended: make(chan error, 1)}
	log := logr.Discard()
	if testing.Verbose() {
		log = testr.NewWithOptions(t, testr.Options{})
	}
	go func() { p.ended <- crm.Run(ctx, settings, restConfig, log) }()
	t.Cleanup(func() { p.end(t) })

	eventually(t, "the program is ready", func(ctx context.Context) error {
		select {
		case err := <-p.ended:
			p.ended <- err
			return terminal(fmt.Errorf("ended: %w", err))
		default:
			return get(ctx, "http://"+settings.HealthAddress+"/readyz")
		}
	})
	conn, err := grpc.NewClient(settings.GRPCAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p.conn = conn
	p.DeploymentServiceClient, p.info = deploymentv1.NewDeploymentServiceClient(conn), crmv1.NewCrmInfoServiceClient(conn)
	return p
}

// end stops the program and waits for it.
func (p *program) end(t *testing.T) {
	t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
	p.ended <- nil
}

// newClient talks to the API server as an administrator.
func newClient(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(kube.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newNamespace makes a namespace that nobody else uses.
func newNamespace(t *testing.T, c client.Client) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "crm-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// newUnit is a unit of one function that runs anywhere. The id is unique with the
// namespace.
func newUnit(namespace string, change ...func(*deploymentv1.DeploymentUnit)) *deploymentv1.DeploymentUnit {
	unit := &deploymentv1.DeploymentUnit{
		Id: namespace + "-echo", Namespace: namespace, ClassDeployment: "echo",
		PackageName: "demo", PackageVersion: "1.0.0", ClassKey: "Echo", Environment: "dev",
		FunctionContainers: []*deploymentv1.FunctionContainer{{
			FunctionKey: "Echo.say", Image: "registry.example/echo:1", Env: map[string]string{"A": "b"},
		}},
	}
	for _, c := range change {
		c(unit)
	}
	return unit
}

func (p *program) deploy(t *testing.T, unit *deploymentv1.DeploymentUnit) *deploymentv1.DeployResponse {
	t.Helper()
	response, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit})
	if err != nil {
		t.Fatalf("Deploy: %v", err)
	}
	return response
}

// waitFor waits until the record of an id is as wanted.
func (p *program) waitFor(t *testing.T, id, what string, wanted func(*deploymentv1.DeploymentRecord) bool) *deploymentv1.DeploymentRecord {
	t.Helper()
	var record *deploymentv1.DeploymentRecord
	eventually(t, what, func(ctx context.Context) error {
		response, err := p.GetDeploymentRecord(ctx, &deploymentv1.GetDeploymentRecordRequest{DeploymentId: id})
		if err != nil {
			return err
		}
		record = response.GetRecord()
		if !wanted(record) {
			return fmt.Errorf("status is %v", record.GetStatus())
		}
		return nil
	})
	return record
}

// running records serve their newest content and have nothing left to do.
func running(record *deploymentv1.DeploymentRecord) bool {
	s := record.GetStatus()
	return s.GetCurrent() && s.GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING && conditionOf(record, "Available").GetStatus() == "True"
}

func conditionOf(record *deploymentv1.DeploymentRecord, kind string) *deploymentv1.Condition {
	for _, condition := range record.GetStatus().GetConditions() {
		if condition.GetType() == kind {
			return condition
		}
	}
	return nil
}

// deploymentOf returns the Deployment of a unit's only function.
func deploymentOf(t *testing.T, c client.Client, unit *deploymentv1.DeploymentUnit) *appsv1.Deployment {
	t.Helper()
	list := &appsv1.DeploymentList{}
	if err := c.List(t.Context(), list, client.InNamespace(unit.GetNamespace()), client.MatchingLabels{v1alpha1.LabelDeploymentID: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("there are %d Deployments of %s, want 1", len(list.Items), unit.GetId())
	}
	return &list.Items[0]
}

type terminalError struct{ error }

func terminal(err error) error { return terminalError{err} }

// eventually polls until check has nothing to say.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		if fatal, ok := errors.AsType[terminalError](last); ok {
			return false, fatal
		}
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting until %s: %v; at last: %v", what, err, last)
	}
}

// throughout makes sure that check has nothing to say all the time.
func throughout(t *testing.T, duration time.Duration, check func(context.Context) error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, duration, true, func(ctx context.Context) (bool, error) {
		return false, check(ctx)
	})
	if !wait.Interrupted(err) {
		t.Fatal(err)
	}
}

func get(ctx context.Context, url string) error {
	_, err := fetch(ctx, url)
	return err
}

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

// freeAddress is one that nobody listens on, out of the range that outgoing
// connections take theirs from.
func freeAddress(t *testing.T) string {
	t.Helper()
	const loopback = "127.0.0.1"
	port, err := cluster.FreePort(loopback)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(loopback, strconv.Itoa(port))
}

// versionsIn maps kind/name to resource version.
func versionsIn(t *testing.T, list client.ObjectList) map[string]string {
	t.Helper()
	versions := map[string]string{}
	kind := strings.TrimSuffix(reflect.TypeOf(list).Elem().Name(), "List")
	err := meta.EachListItem(list, func(object runtime.Object) error {
		accessor, err := meta.Accessor(object)
		if err == nil {
			versions[kind+"/"+accessor.GetName()] = accessor.GetResourceVersion()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

// workloadOf is the name that the workload of a unit's only function gets.
func workloadOf(unit *deploymentv1.DeploymentUnit) string {
	return names.Workload(unit.GetId(), unit.GetFunctionContainers()[0].GetFunctionKey())
}
