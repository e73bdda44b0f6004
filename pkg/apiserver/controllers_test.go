// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

// startServer runs the real server, with its own etcd and without controllers,
// and returns how to reach it.
func startServer(t *testing.T) *rest.Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "pm") //nolint:usetesting // the path of etcd's socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	authority, _, err := cert.GenerateSelfSignedCertKey("clients", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	authorityFile := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(authorityFile, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	options := NewOptions()
	options.Standalone = true
	options.Controllers.Enabled = false
	options.Authentication.ClientCert.ClientCA = authorityFile
	options.EmbeddedEtcd = &EmbeddedEtcdOptions{Enabled: true, DataDir: filepath.Join(dir, "etcd")}
	options.SecureServing.BindAddress = net.IPv4(127, 0, 0, 1)
	if options.SecureServing.Listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	options.SecureServing.BindPort = options.SecureServing.Listener.Addr().(*net.TCPAddr).Port

	completed, err := options.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if err := completed.Validate(); err != nil {
		t.Fatal(err)
	}
	etcd, err := completed.EmbeddedEtcd.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	config, err := completed.Config()
	if err != nil {
		t.Fatal(err)
	}
	server, err := config.Complete().New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("running the server: %v", err)
		}
	})
	return server.Generic.LoopbackClientConfig
}

// startControllers runs the controllers until stop is called or the test ends.
func startControllers(t *testing.T, loopback *rest.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- RunControllers(ctx, ControllerConfig{
			Loopback: loopback, HealthInterval: 200 * time.Millisecond,
			Links: crmclient.Options{
				BreakerFailures: 3, BreakerOpenFor: 500 * time.Millisecond, RetryBackoff: time.Millisecond,
				WatchBackoff: 20 * time.Millisecond, MaxWatchBackoff: 200 * time.Millisecond, StaleAfter: 500 * time.Millisecond,
			},
		})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the controllers: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// scene is one test's namespace and objects.
type scene struct {
	*testing.T
	client    versioned.Interface
	namespace string
}

func (s scene) cluster(name string, at *remote, options ...func(*pmv1alpha1.Cluster)) *pmv1alpha1.Cluster {
	s.Helper()
	c := &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: pmv1alpha1.ClusterSpec{
			// An environment of its own keeps the other tests' deployments away.
			Endpoint: at.endpoint, Environments: []string{s.namespace, s.namespace + "-2"},
			Timeout: &metav1.Duration{Duration: time.Second}, RetryAttempts: ptr.To[int32](0),
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
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
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
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
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
	deadline := time.Now().Add(30 * time.Second)
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

func TestControllers(t *testing.T) {
	loopback := startServer(t)
	startControllers(t, loopback)
	client, err := versioned.NewForConfig(unthrottled(loopback))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(scene){
		"runs":       aClassRunsOnceItsClusterSaysSo,
		"intent":     theStatusListsAUnitBeforeItsClusterHearsOfIt,
		"image":      anotherImageIsSentOnceAndTheSameAgainIsNot,
		"confirm":    aDeploymentStaysUntilItsClusterConfirms,
		"hang":       aClusterThatNeverAnswersHoldsUpNobodyElse,
		"refused":    aRefusedUnitSaysWhyAndGoesOnAfterAChange,
		"lost":       aRecordThatWasLostIsSentAgain,
		"repointed":  anotherClusterBehindTheSameNameGetsTheUnits,
		"moved":      aUnitThatLeftThePlanIsRemoved,
		"abandoned":  aDeploymentOnAClusterThatWentAwayCanBeDeleted,
		"nopackage":  aDeploymentWaitsForItsPackage,
		"undisputed": aTargetThatIsMissedIsToldAndClearedAgain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(scene{T: t, client: client, namespace: name})
		})
	}
}

func aClassRunsOnceItsClusterSaysSo(s scene) {
	at := newRemote(s.T)
	s.cluster("runs", at)
	s.pkg()
	s.eventually("the cluster is healthy", func() bool {
		c, err := s.client.PmV1alpha1().Clusters().Get(s.Context(), "runs", metav1.GetOptions{})
		return err == nil && c.Status.Health == pmv1alpha1.ClusterHealthy && meta.IsStatusConditionTrue(c.Status.Conditions, pmv1alpha1.ClusterReady) &&
			c.Status.NodeCount == 3 && c.Status.LastSeen != nil && c.Status.CircuitBreaker.State == pmv1alpha1.CircuitClosed
	})
	s.deployment("cart")
	got := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	for kind, want := range map[string]metav1.ConditionStatus{
		"Planned": metav1.ConditionTrue, "Dispatched": metav1.ConditionTrue, "Available": metav1.ConditionTrue,
		"Progressing": metav1.ConditionFalse, "Degraded": metav1.ConditionFalse,
	} {
		if c := meta.FindStatusCondition(got.Status.Conditions, kind); c == nil || c.Status != want {
			s.Errorf("condition %s is %+v, want %s", kind, c, want)
		}
	}
	if len(got.Status.Units) != 1 || got.Status.Units[0].Cluster != "runs" || got.Status.Units[0].Condition != "Running" || len(got.Status.Units[0].Functions) != 1 {
		s.Errorf("units are %+v, want one that runs on the cluster", got.Status.Units)
	}
	if !slices.Contains(got.Finalizers, pmv1alpha1.ClassDeploymentFinalizer) {
		s.Error("nothing keeps the deployment until its cluster confirms")
	}
	s.eventually("the package names its deployment", func() bool {
		p, err := s.client.PmV1alpha1().Packages(s.namespace).Get(s.Context(), "store", metav1.GetOptions{})
		return err == nil && slices.Equal(p.Status.Deployments, []string{"cart"}) && meta.IsStatusConditionTrue(p.Status.Conditions, pmv1alpha1.PackageReady)
	})
	s.expectQuiet("cart", 2*time.Second)
}

func theStatusListsAUnitBeforeItsClusterHearsOfIt(s scene) {
	at := newRemote(s.T)
	unlisted := make(chan string, 10)
	at.onDeploy = func(ctx context.Context, unit *deploymentv1.DeploymentUnit) error {
		d, err := s.client.PmV1alpha1().ClassDeployments(s.namespace).Get(ctx, unit.GetClassDeployment(), metav1.GetOptions{})
		listed := err == nil && slices.ContainsFunc(d.Status.Units, func(u pmv1alpha1.DeploymentUnitStatus) bool {
			return u.DeploymentID == unit.GetId() && u.Cluster == "intent" && u.Planned
		})
		if !listed || !slices.Contains(d.Finalizers, pmv1alpha1.ClassDeploymentFinalizer) {
			unlisted <- fmt.Sprintf("%+v, %v", d, err)
		}
		return nil
	}
	s.cluster("intent", at)
	s.pkg()
	s.deployment("cart", "intent")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	select {
	case d := <-unlisted:
		s.Errorf("a crash would have forgotten the unit: %s", d)
	default:
	}
}

func anotherImageIsSentOnceAndTheSameAgainIsNot(s scene) {
	at := newRemote(s.T)
	s.cluster("image", at)
	s.pkg()
	s.deployment("cart", "image")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got := at.timesSent(s.id("cart")); got != 1 {
		s.Errorf("the unit was sent %d times, want once", got)
	}
	s.image("registry.example/items:2")
	s.eventually("the new image arrives", func() bool {
		return at.record(s.id("cart")).GetUnit().GetFunctionContainers()[0].GetImage() == "registry.example/items:2"
	})
	s.eventually("the status tells the new content", func() bool {
		return s.get("cart").Status.Units[0].DispatchedHash == at.record(s.id("cart")).GetUnit().GetHash()
	})
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Labels = map[string]string{"x": "y"} })
	s.image("registry.example/items:2")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got := at.timesSent(s.id("cart")); got != 2 {
		s.Errorf("the unit was sent %d times, want twice: once for each content", got)
	}
}

func aDeploymentStaysUntilItsClusterConfirms(s scene) {
	at := newRemote(s.T)
	s.cluster("confirm", at)
	s.pkg()
	s.deployment("cart", "confirm")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.set(func(r *remote) { r.keeps = true })
	s.remove("cart")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentTerminating)
	s.waitForCondition("cart", "Progressing", metav1.ConditionTrue, "Removing", "is being removed from cluster confirm")
	s.eventually("the cluster has begun the removal", func() bool { return at.record(s.id("cart")).GetDeletedAt() != nil })
	if len(s.get("cart").Status.Units) != 1 {
		s.Error("the unit is forgotten before the cluster confirmed")
	}
	at.set(func(r *remote) {
		r.keeps = false
		r.drop(s.id("cart"))
	})
	s.waitUntilGone("cart")
}

func aClusterThatNeverAnswersHoldsUpNobodyElse(s scene) {
	good, bad := newRemote(s.T), newRemote(s.T)
	bad.hangs = true
	s.cluster("hang-good", good)
	s.cluster("hang-bad", bad)
	s.pkg()
	for i := range 20 {
		s.deployment(fmt.Sprintf("bad-%d", i), "hang-bad")
	}
	s.deployment("both", "hang-good", "hang-bad")
	s.deployment("good", "hang-good")
	s.waitForPhase("good", pmv1alpha1.ClassDeploymentRunning)
	s.eventually("the unit on the good cluster runs", func() bool { return good.record(s.id("both")) != nil })
	s.waitForCondition("both", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster hang-bad")
	s.waitForPhase("both", pmv1alpha1.ClassDeploymentDegraded)
	s.eventually("the bad cluster is unhealthy", func() bool {
		c, err := s.client.PmV1alpha1().Clusters().Get(s.Context(), "hang-bad", metav1.GetOptions{})
		return err == nil && c.Status.Health == pmv1alpha1.ClusterUnhealthy && meta.IsStatusConditionFalse(c.Status.Conditions, pmv1alpha1.ClusterReady)
	})

	bad.set(func(r *remote) { r.hangs = false })
	s.waitForPhase("both", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("both", "Dispatched", metav1.ConditionTrue, "Accepted", "")
	for i := range 20 {
		s.waitForPhase(fmt.Sprintf("bad-%d", i), pmv1alpha1.ClassDeploymentRunning)
	}
}

func aRefusedUnitSaysWhyAndGoesOnAfterAChange(s scene) {
	at := newRemote(s.T)
	at.onDeploy = refuse(codes.InvalidArgument, "image is not allowed here")
	s.cluster("refused", at)
	s.pkg()
	s.deployment("cart", "refused")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "UnitRefused", "image is not allowed here")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentFailed)
	s.expectQuiet("cart", time.Second)
	at.set(func(r *remote) { r.onDeploy = nil })
	s.image("registry.example/items:2")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("cart", "Dispatched", metav1.ConditionTrue, "Accepted", "")
}

func aRecordThatWasLostIsSentAgain(s scene) {
	at := newRemote(s.T)
	s.cluster("lost", at)
	s.pkg()
	s.deployment("cart", "lost")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.lose(s.id("cart"))
	s.eventually("the record is back", func() bool { return at.record(s.id("cart")) != nil })
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func anotherClusterBehindTheSameNameGetsTheUnits(s scene) {
	first, second := newRemote(s.T), newRemote(s.T)
	s.cluster("repointed", first)
	s.pkg()
	s.deployment("cart", "repointed")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	patch := fmt.Sprintf(`{"spec":{"endpoint":%q}}`, second.endpoint)
	if _, err := s.client.PmV1alpha1().Clusters().Patch(s.Context(), "repointed", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		s.Fatal(err)
	}
	s.eventually("the unit is on the new cluster", func() bool { return second.record(s.id("cart")) != nil })
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func aUnitThatLeftThePlanIsRemoved(s scene) {
	from, to := newRemote(s.T), newRemote(s.T)
	s.cluster("moved-from", from)
	s.cluster("moved-to", to)
	s.pkg()
	s.deployment("cart", "moved-from")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	from.set(func(r *remote) { r.keeps = true })
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.TargetClusters = []string{"moved-to"} })
	s.eventually("the unit runs on the other cluster, and the old one is still listed", func() bool {
		units := s.get("cart").Status.Units
		return len(units) == 2 && units[0].Cluster == "moved-from" && !units[0].Planned && units[1].Planned && units[1].Available
	})
	from.set(func(r *remote) {
		r.keeps = false
		r.drop(s.id("cart"))
	})
	s.eventually("the old unit is off the list", func() bool {
		units := s.get("cart").Status.Units
		return len(units) == 1 && units[0].Cluster == "moved-to"
	})
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
}

func aDeploymentOnAClusterThatWentAwayCanBeDeleted(s scene) {
	at := newRemote(s.T)
	s.cluster("abandoned", at)
	s.pkg()
	s.deployment("cart", "abandoned")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	at.set(func(r *remote) { r.hangs = true })
	s.remove("cart")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster abandoned")
	if err := s.client.PmV1alpha1().Clusters().Delete(s.Context(), "abandoned", metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	s.waitUntilGone("cart")
}

func aDeploymentWaitsForItsPackage(s scene) {
	s.cluster("nopackage", newRemote(s.T))
	s.deployment("cart", "nopackage")
	s.waitForCondition("cart", "Planned", metav1.ConditionFalse, "PackageNotFound", `package "store" does not exist`)
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentFailed)
	s.pkg()
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.waitForCondition("cart", "Planned", metav1.ConditionTrue, "Planned", "")
}

func aTargetThatIsMissedIsToldAndClearedAgain(s scene) {
	s.cluster("undisputed", newRemote(s.T))
	s.pkg()
	s.deployment("cart", "undisputed")
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.Availability = "0.9999" })
	s.waitForCondition("cart", "AvailabilityTargetMet", metav1.ConditionFalse, "TargetMissed", "achieve 0.999")
	got := s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	if got.Status.AchievedAvailability != "0.999" || got.Status.Requirements == nil || got.Status.Requirements.ReplicationFactor != 3 {
		s.Errorf("status tells availability %q and requirements %+v, want 0.999 and 3 copies", got.Status.AchievedAvailability, got.Status.Requirements)
	}
	s.update("cart", func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.Availability = "" })
	s.eventually("the condition is cleared", func() bool {
		return meta.FindStatusCondition(s.get("cart").Status.Conditions, "AvailabilityTargetMet") == nil
	})
}

func TestWhatWasBegunBeforeARestartIsFinishedAfterIt(t *testing.T) {
	loopback := startServer(t)
	client, err := versioned.NewForConfig(unthrottled(loopback))
	if err != nil {
		t.Fatal(err)
	}
	s := scene{T: t, client: client, namespace: "restart"}
	at := newRemote(t)
	at.hangs = true
	s.cluster("restart", at)
	s.pkg()
	stop := startControllers(t, loopback)
	s.deployment("cart", "restart")
	s.waitForCondition("cart", "Dispatched", metav1.ConditionFalse, "ClusterUnreachable", "cluster restart")
	stop()
	at.set(func(r *remote) { r.hangs = false })

	stop = startControllers(t, loopback)
	s.waitForPhase("cart", pmv1alpha1.ClassDeploymentRunning)
	stop()
	s.remove("cart")
	startControllers(t, loopback)
	s.waitUntilGone("cart")
	if at.record(s.id("cart")) != nil {
		t.Error("the unit is still on its cluster")
	}
}

func TestRunControllersNeedsTheOwnAPI(t *testing.T) {
	if err := RunControllers(t.Context(), ControllerConfig{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that names what is missing", err)
	}
}
