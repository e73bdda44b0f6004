// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	crdfiles "oaas.io/oaas/artifacts/crds"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/crds"
)

// patience bounds every wait; a slow machine needs it, a fast one does not use it.
const patience = 3 * time.Minute

var (
	// kube is the control plane that all tests of the package share.
	kube *cluster.Cluster
	// scheme knows every type that the tests use.
	scheme = runtime.NewScheme()
)

func TestMain(m *testing.M) {
	// Tests wait for the cluster most of the time, whatever the number of cores.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	logf.SetLogger(logr.Discard())
	ctx := context.Background()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	if err == nil {
		kube, err = cluster.Start(ctx, cluster.Options{Name: "records"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start cluster:", err)
		return 1
	}
	defer func() {
		if err := kube.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop cluster:", err)
		}
	}()
	direct, err := client.New(kube.RESTConfig(), client.Options{Scheme: scheme})
	if err == nil {
		err = crds.Apply(ctx, direct, crdfiles.Files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "install definitions:", err)
		return 1
	}
	return m.Run()
}

// newClient talks to the API server as an administrator.
func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(kube.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newNamespace makes a namespace that nobody else uses.
func newNamespace(t *testing.T, c client.Client) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "records-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// newRecord is a record of one function.
func newRecord(namespace, name string, change ...func(*v1alpha1.DeploymentRecord)) *v1alpha1.DeploymentRecord {
	record := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit:     v1alpha1.DeploymentUnit{ID: name, PackageName: "demo", ClassKey: "Echo"},
			TargetEnvironment:  "dev",
			SelectedTemplate:   templateDeployment,
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "say", Image: "registry.example/echo:1"}},
		},
	}
	for _, c := range change {
		c(record)
	}
	return record
}

// edit changes a record as a user would.
func edit(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord, change func(*v1alpha1.DeploymentRecord)) {
	t.Helper()
	before := &v1alpha1.DeploymentRecord{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(record), before); err != nil {
		t.Fatal(err)
	}
	after := before.DeepCopy()
	change(after)
	if err := c.Patch(t.Context(), after, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until a record is as wanted and returns it.
func waitFor(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord, what string, wanted func(*v1alpha1.DeploymentRecord) bool) *v1alpha1.DeploymentRecord {
	t.Helper()
	now := &v1alpha1.DeploymentRecord{}
	eventually(t, what, func(ctx context.Context) error {
		now = &v1alpha1.DeploymentRecord{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(record), now); err != nil {
			return err
		}
		if !wanted(now) {
			return fmt.Errorf("status is %+v", now.Status)
		}
		return nil
	})
	return now
}

// running records serve their newest content and have nothing left to do.
func running(record *v1alpha1.DeploymentRecord) bool {
	return record.Status.ObservedGeneration == record.Generation && record.Status.Condition == v1alpha1.RecordRunning &&
		meta.IsStatusConditionTrue(record.Status.Conditions, v1alpha1.ConditionAvailable) &&
		meta.IsStatusConditionFalse(record.Status.Conditions, v1alpha1.ConditionProgressing)
}

// because waits for a condition with a reason.
func because(kind string, status metav1.ConditionStatus, reason string) func(*v1alpha1.DeploymentRecord) bool {
	return func(record *v1alpha1.DeploymentRecord) bool {
		c := meta.FindStatusCondition(record.Status.Conditions, kind)
		return c != nil && c.Status == status && c.Reason == reason
	}
}

// eventually polls until check has nothing to say.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if err := check(ctx); ctx.Err() == nil {
			last = err
		}
		return last == nil && ctx.Err() == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting until %s: %v; at last: %v", what, err, last)
	}
}
