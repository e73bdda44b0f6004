// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/planner"
)

// startServer runs the real server, with its own etcd and without controllers,
// and returns how to reach it.
func startServer(t *testing.T) *rest.Config {
	t.Helper()
	return runServer(t, dataFolder(t)).config
}

// startControllers runs the controllers until stop is called or the test ends.
func startControllers(t *testing.T, loopback *rest.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	pool := crmclient.NewPool(quickLinks())
	done := make(chan error, 2)
	go func() {
		done <- RunLinks(ctx, LinkConfig{Loopback: loopback, Pool: pool, Interval: 200 * time.Millisecond})
	}()
	go func() {
		done <- RunControllers(ctx, ControllerConfig{Loopback: loopback, Pool: pool, HealthInterval: 200 * time.Millisecond})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Errorf("running the controllers and their links: %v", err)
			}
		}
		pool.Close()
	}
	t.Cleanup(stop)
	return stop
}

// quickLinks are links that notice at once what happens to a cluster.
func quickLinks() crmclient.Options {
	return crmclient.Options{
		BreakerFailures: 3, BreakerOpenFor: 500 * time.Millisecond, RetryBackoff: time.Millisecond,
		WatchBackoff: 20 * time.Millisecond, MaxWatchBackoff: 200 * time.Millisecond, StaleAfter: 500 * time.Millisecond,
	}
}

// scene is one test's namespace and objects.
type scene struct {
	*testing.T
	client    versioned.Interface
	namespace string
}

// persistent outlasts controllers that write the same object meanwhile.
var persistent = wait.Backoff{Duration: 10 * time.Millisecond, Factor: 1.5, Jitter: 0.1, Steps: 15, Cap: time.Second}

// soonUnreachable is for clusters that hang.
func soonUnreachable(c *pmv1alpha1.Cluster) { c.Spec.Timeout.Duration = time.Second }

func (s scene) cluster(name string, at *remote, options ...func(*pmv1alpha1.Cluster)) *pmv1alpha1.Cluster {
	s.Helper()
	c := &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: pmv1alpha1.ClusterSpec{
			// An environment of its own keeps the other tests' deployments away.
			Endpoint: at.endpoint, Environments: []string{s.namespace, s.namespace + "-2"},
			// No call is cut off that a busy machine answers late: its unit would count as
			// sent and be sent again.
			Timeout: &metav1.Duration{Duration: readyWithin}, RetryAttempts: ptr.To[int32](0),
		},
	}
	for _, option := range options {
		option(c)
	}
	created, err := s.client.PmV1alpha1().Clusters().Create(s.Context(), c, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return created
}

// waitForCluster waits until a cluster has told how it is, which deployments tell of.
func (s scene) waitForCluster(name string) {
	s.Helper()
	s.eventually("cluster "+name+" is healthy", func() bool {
		c, err := s.client.PmV1alpha1().Clusters().Get(s.Context(), name, metav1.GetOptions{})
		return err == nil && c.Status.Health == pmv1alpha1.ClusterHealthy && meta.IsStatusConditionTrue(c.Status.Conditions, pmv1alpha1.ClusterReady) &&
			c.Status.NodeCount == 3 && c.Status.LastSeen != nil && c.Status.CircuitBreaker.State == pmv1alpha1.CircuitClosed
	})
}

func (s scene) pkg() {
	s.Helper()
	_, err := s.client.PmV1alpha1().Packages(s.namespace).Create(s.Context(), &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: "store"},
		Spec: pmv1alpha1.PackageSpec{
			Version:   "1.0.0",
			Classes:   []pmv1alpha1.ClassDefinition{{Key: "Cart", FunctionBindings: []pmv1alpha1.FunctionBinding{{Name: "add", FunctionKey: "items"}}}},
			Functions: []pmv1alpha1.FunctionDefinition{{Key: "items", Type: pmv1alpha1.FunctionCustom, Provision: &pmv1alpha1.FunctionProvision{Image: "registry.example/items:1"}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

func (s scene) image(image string) {
	s.Helper()
	err := retry.RetryOnConflict(persistent, func() error {
		pkg, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), "store", metav1.GetOptions{})
		if err != nil {
			return err
		}
		pkg.Spec.Functions[0].Provision.Image = image
		_, err = s.client.PmV1alpha1().Packages(s.namespace).Update(s.Context(), pkg, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s scene) deployment(name string, clusters ...string) {
	s.Helper()
	_, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Create(s.Context(), &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart", TargetEnvironments: []string{s.namespace}, TargetClusters: clusters},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

func (s scene) update(name string, change func(*pmv1alpha1.ClassDeployment)) {
	s.Helper()
	err := retry.RetryOnConflict(persistent, func() error {
		d := s.get(name)
		change(d)
		_, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Update(s.Context(), d, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s scene) remove(name string) {
	s.Helper()
	if err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Delete(s.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
}

func (s scene) get(name string) *pmv1alpha1.ClassDeployment {
	s.Helper()
	d, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// id is the deployment's unit in the test's own environment.
func (s scene) id(name string) string { return planner.UnitID(s.namespace, name, s.namespace) }

func (s scene) eventually(what string, condition func() bool) {
	s.Helper()
	deadline := time.Now().Add(readyWithin)
	for !condition() {
		if time.Now().After(deadline) {
			all, _ := s.client.PmV1alpha1().ClassDeployments(s.namespace).List(s.Context(), metav1.ListOptions{})
			for _, d := range all.Items {
				s.Logf("%s: %s %+v", d.Name, d.Status.Phase, d.Status)
			}
			s.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s scene) waitForPhase(name string, phase pmv1alpha1.ClassDeploymentPhase) *pmv1alpha1.ClassDeployment {
	s.Helper()
	var d *pmv1alpha1.ClassDeployment
	s.eventually(fmt.Sprintf("%s is %s", name, phase), func() bool {
		d = s.get(name)
		return d.Status.Phase == phase && d.Status.ObservedGeneration == d.Generation
	})
	return d
}

func (s scene) waitForCondition(name, kind string, status metav1.ConditionStatus, reason, message string) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s has %s=%s, %s, %q", name, kind, status, reason, message), func() bool {
		c := meta.FindStatusCondition(s.get(name).Status.Conditions, kind)
		return c != nil && c.Status == status && c.Reason == reason && strings.Contains(c.Message, message)
	})
}

func (s scene) waitUntilGone(name string) {
	s.Helper()
	s.eventually(name+" is gone", func() bool {
		_, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// expectQuiet fails on any write within the time.
func (s scene) expectQuiet(name string, during time.Duration) {
	s.Helper()
	watch, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Watch(s.Context(), metav1.SingleObject(metav1.ObjectMeta{
		Name: name, ResourceVersion: s.get(name).ResourceVersion,
	}))
	if err != nil {
		s.Fatal(err)
	}
	defer watch.Stop()
	select {
	case event := <-watch.ResultChan():
		s.Errorf("something was written although nothing changed: %s %+v", event.Type, event.Object)
	case <-time.After(during):
	}
}
