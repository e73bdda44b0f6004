// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/image"
	"oaas.io/oaas/hack/localcluster/realnode"
	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	containers "oaas.io/oaas/pkg/crm/render/pods"
)

const (
	install = "go run ./hack/install --storage ephemeral"
	system  = "oaas-system"
)

// An installation as a user makes it, with every program in a pod that runs:
// from the installation on a bare cluster until nothing is left.
func TestInstallationOnARealNode(t *testing.T) {
	s := startRealCluster(t)

	// Each step needs those before it.
	for _, step := range []struct {
		name string
		run  func(t *testing.T, s *site)
	}{
		{"install", installs},
		{"a stateless class is deployed, changed, broken and repaired", deploysEcho},
		{"what cannot run is told and repaired", repairsTrouble},
		{"a template of the user's own runs a class", runsOwnTemplate},
		{"a class of two functions is deployed", deploysRecord},
		{"a function gets the files that it asks for", mountsFiles},
		{"manifests are deployed", deploysManifests},
		{"a second cluster joins and leaves", joinsMember},
		{"functions answer while the Package Manager is down", survivesPackageManager},
		{"uninstall", uninstalls},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, s) }) {
			s.explain(t)
			return
		}
	}
}

// startRealCluster starts a cluster whose node has the images of the platform, and
// further ones.
func startRealCluster(t *testing.T, further ...image.Source) *site {
	t.Helper()
	if err := realnode.Preflight(); err != nil {
		t.Skip(err)
	}
	if o, occupied, err := realnode.Occupied(); err != nil || occupied {
		t.Skipf("this machine is the real node of cluster %s in %s, and can be that of one cluster only (%v)", o.Cluster, o.ClusterDir, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	// What a run that was killed has left.
	if err := realnode.Leave(ctx, ""); err != nil {
		t.Fatal(err)
	}
	sources := append([]image.Source{image.APIServer(), image.CRM(), image.Function()}, further...)
	images, err := image.Build(ctx, image.Options{Progress: steps()}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	address, err := realnode.Prepare(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := realnode.Leave(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	c, err := cluster.Start(ctx, cluster.Options{
		Name: "e2e", Dir: dir, Nodes: -1, BindAddress: address, AdvertiseAddress: address, Progress: steps(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	node, err := realnode.Start(ctx, realnode.Options{Cluster: c, Images: images, Progress: steps()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return newSite(t, c)
}

// explain shows what helps to understand a failure.
func (s *site) explain(t *testing.T) {
	t.Helper()
	for _, command := range []string{
		"kubectl get pods -A -o wide",
		"kubectl get events -A --sort-by=.lastTimestamp | tail -40",
		"kubectl logs -n " + system + " oaas-apiserver-0 --tail=40",
		"kubectl logs -n " + system + " -l app.kubernetes.io/name=oaas-crm --tail=40",
		"kubectl get oaas -A -o yaml",
		"kubectl get oaas-crm -A -o yaml",
	} {
		output, err := s.run(t.Context(), "", command)
		t.Logf("%s\n%s%v", command, output, err)
	}
}

func installs(t *testing.T, s *site) {
	t.Helper()
	output := s.must(t, "", install)
	if !strings.Contains(output, "kubectl oaas deploy") {
		t.Errorf("the installation ended without saying what to do next:\n%s", output)
	}
	authority := s.must(t, "", "kubectl get secret -n "+system+" oaas-ca -o yaml")
	before := s.installed(t)
	s.must(t, "", install)
	if after := s.installed(t); after != before {
		t.Errorf("installing again changed\n%s\ninto\n%s", before, after)
	}
	if after := s.must(t, "", "kubectl get secret -n "+system+" oaas-ca -o yaml"); after != authority {
		t.Error("installing again touched the certificate authority")
	}
	// Nothing may run there that could harm its neighbours.
	_, err := s.kube.CoreV1().Pods(system).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "root"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "root", Image: image.Function().Reference}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a pod that is not restricted was not refused in %s: %v", system, err)
	}
}

// installed maps what was installed to versions that change with the content.
func (s *site) installed(t *testing.T) string {
	t.Helper()
	const columns = " --no-headers -o custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion"
	static := s.must(t, "", "kubectl get secrets,serviceaccounts,roles,rolebindings,services -n "+system+columns) +
		s.must(t, "", "kubectl get clusterroles,clusterrolebindings -l '!kubernetes.io/bootstrapping'"+columns)
	// The status of these moves by itself.
	const generations = " --no-headers -o custom-columns=K:.kind,N:.metadata.name,V:.metadata.generation,U:.metadata.uid"
	return static + s.must(t, "", "kubectl get statefulsets,deployments,pods -n "+system+generations) +
		s.must(t, "", "kubectl get clusters.pm.oaas.io"+generations)
}

func deploysEcho(t *testing.T, s *site) {
	t.Helper()
	namespace := s.newNamespace(t, "echo")
	deploy := "kubectl oaas deploy --wait -n " + namespace + " -f "
	s.must(t, "", deploy+"artifacts/examples/echo.yaml")
	f := function{s, namespace, "Echo.echo"}
	unit := s.onlyUnit(t, namespace, "echo")
	f.mustAnswer(t, unit.DeploymentID)
	metrics, err := f.fetch(t.Context(), "GET", "/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`http_request_duration_seconds_bucket{code="200",deployment_id=%q,function="Echo.echo",le="0.005"}`, unit.DeploymentID)
	if !strings.Contains(metrics, want) {
		t.Errorf("the function's metrics lack %s", want)
	}

	changesConfiguration(t, f, deploy)
	breaksConfiguration(t, f, deploy)
	killsFunction(t, f, unit.DeploymentID)

	s.must(t, "", "kubectl oaas delete --wait -n "+namespace+" -f artifacts/examples/echo.yaml")
	eventually(t, "nothing to be left", func(ctx context.Context) error { return s.leftovers(ctx, namespace) })
}

// changesConfiguration rolls a change out in place, while the function answers.
func changesConfiguration(t *testing.T, f function, deploy string) {
	t.Helper()
	before := f.workload(t)
	slow := strings.Replace(f.site.example(t, "echo.yaml"), "SERVICE_TIME_MS: 5", "SERVICE_TIME_MS: 150", 1)
	f.site.must(t, slow, deploy+"-")
	eventually(t, "the changed function to take its time", func(ctx context.Context) error {
		start := time.Now()
		if _, err := f.call(ctx, "hello"); err != nil {
			// Old pods go only when new ones are ready.
			t.Errorf("while the change is rolled out: %v", err)
		}
		if took := time.Since(start); took < 150*time.Millisecond {
			return fmt.Errorf("it answered after %s", took)
		}
		return nil
	})
	if after := f.workload(t); after.UID != before.UID {
		t.Error("the workload was replaced instead of rolled")
	}
}

// breaksConfiguration deploys a form that ends at start: the old one goes on
// answering, and the deployment says what is wrong.
func breaksConfiguration(t *testing.T, f function, deploy string) {
	t.Helper()
	good := f.site.example(t, "echo.yaml")
	broken := strings.Replace(good, "SERVICE_TIME_MS: 5", "SERVICE_TIME_MS: forever", 1)
	f.site.must(t, broken, strings.Replace(deploy, " --wait", "", 1)+"-")
	eventually(t, "the broken form to be told", func(ctx context.Context) error {
		if _, err := f.call(ctx, "hello"); err != nil {
			t.Errorf("while a broken form is deployed: %v", err)
		}
		found, err := f.site.deployment(ctx, f.namespace, "echo")
		if err != nil {
			return err
		}
		return hasCondition(found.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition, metav1.ConditionTrue)
	})
	f.site.must(t, good, deploy+"-")
	eventually(t, "the repaired form to be told", func(ctx context.Context) error {
		found, err := f.site.deployment(ctx, f.namespace, "echo")
		if err != nil {
			return err
		}
		return hasCondition(found.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition, metav1.ConditionFalse)
	})
}

// killsFunction kills the program of the function's only pod, which Kubernetes
// starts again.
func killsFunction(t *testing.T, f function, deploymentID string) {
	t.Helper()
	var pod corev1.Pod
	eventually(t, "one pod to be left of the rollouts", func(ctx context.Context) error {
		pods, err := f.pods(ctx)
		if err == nil && len(pods) != 1 {
			err = fmt.Errorf("there are %d", len(pods))
		}
		if err == nil {
			pod = pods[0]
		}
		return err
	})
	before := restarts(&pod)
	killProcess(t, &pod, "function")
	eventually(t, "the killed function to be restarted", func(ctx context.Context) error {
		found, err := f.site.kube.CoreV1().Pods(f.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && restarts(found) == before {
			err = errors.New("no container was restarted")
		}
		return err
	})
	f.mustAnswer(t, deploymentID)
	eventually(t, "the deployment to be available again", func(ctx context.Context) error {
		found, err := f.site.deployment(ctx, f.namespace, "echo")
		if err != nil {
			return err
		}
		return hasCondition(found.Status.Conditions, pmv1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue)
	})
}

func deploysRecord(t *testing.T, s *site) {
	t.Helper()
	namespace := s.newNamespace(t, "record")
	s.must(t, "", "kubectl oaas deploy --wait -n "+namespace+" -f artifacts/examples/record.yaml")
	unit := s.onlyUnit(t, namespace, "record")
	for _, key := range []string{"Record.access", "Record.audit"} {
		function{s, namespace, key}.mustAnswer(t, unit.DeploymentID)
	}
	// The class has state, and nobody has named the image of a data grid.
	record, err := s.record(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := hasCondition(record.Status.Conditions, oaasv1alpha1.ConditionODGMReady, metav1.ConditionFalse); err != nil {
		t.Error(err)
	}
	status := s.must(t, "", "kubectl oaas status -n "+namespace+" record")
	for _, want := range []string{unit.DeploymentID, "Record.access", "Record.audit"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status lacks %s:\n%s", want, status)
		}
	}
	s.must(t, "", "kubectl oaas delete --wait -n "+namespace+" -f artifacts/examples/record.yaml")
	eventually(t, "nothing to be left", func(ctx context.Context) error { return s.leftovers(ctx, namespace) })
}

func mountsFiles(t *testing.T, s *site) {
	t.Helper()
	namespace := s.newNamespace(t, "files")
	greeting := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "greeting"}, Data: map[string]string{"text": "good morning"}}
	if _, err := s.kube.CoreV1().ConfigMaps(namespace).Create(t.Context(), greeting, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "kubectl oaas deploy --wait -n "+namespace+" -f test/e2e/testdata/files.yaml")
	f := function{s, namespace, "Files.read"}
	f.mustAnswer(t, s.onlyUnit(t, namespace, "files").DeploymentID)
	pods, err := f.pods(t.Context())
	if err != nil || len(pods) != 1 {
		t.Fatalf("%d pods, want one: %v", len(pods), err)
	}
	root := filepath.Join("/proc", strconv.Itoa(processOf(t, &pods[0], "function")), "root")
	if text, err := os.ReadFile(filepath.Join(root, "etc/greeting/text")); err != nil || string(text) != "good morning" {
		t.Errorf("the file of the ConfigMap holds %q: %v", text, err)
	}
	if scratch, err := os.Stat(filepath.Join(root, "scratch")); err != nil {
		t.Error(err)
	} else if owner := scratch.Sys().(*syscall.Stat_t); owner.Gid != containers.Nobody || scratch.Mode().Perm()&0o070 != 0o070 { //nolint:forcetypeassert // as on every Linux
		t.Errorf("the folder belongs to group %d with %s, want all rights for %d, which the function runs as", owner.Gid, scratch.Mode(), containers.Nobody)
	}
	s.must(t, "", "kubectl oaas delete --wait -n "+namespace+" -f test/e2e/testdata/files.yaml")
	eventually(t, "nothing else to be left", func(ctx context.Context) error { return s.leftovers(ctx, namespace, greeting.Kind) })
	if _, err := s.kube.CoreV1().ConfigMaps(namespace).Get(t.Context(), greeting.Name, metav1.GetOptions{}); err != nil {
		t.Errorf("what was mounted went with the function: %v", err)
	}
}

// deploysManifests leaves the deployment for the steps that follow.
func deploysManifests(t *testing.T, s *site) {
	t.Helper()
	namespace := s.newNamespace(t, "greeter")
	s.must(t, "", "kubectl apply -n "+namespace+" -f artifacts/examples/manifest.yaml")
	s.must(t, "", "kubectl wait -n "+namespace+" classdeployment/greeter --for=condition=Available --timeout=180s")
	function{s, namespace, "Greeter.greet"}.mustAnswer(t, s.onlyUnit(t, namespace, "greeter").DeploymentID)
}

func survivesPackageManager(t *testing.T, s *site) {
	t.Helper()
	const namespace = "greeter"
	unit := s.onlyUnit(t, namespace, "greeter")
	packageManager, err := s.kube.CoreV1().Pods(system).Get(t.Context(), "oaas-apiserver-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	killProcess(t, packageManager, "apiserver")
	eventually(t, "the API to be gone", func(ctx context.Context) error {
		_, gone := s.deployment(ctx, namespace, "greeter")
		// It may have come back before anybody looked.
		now, err := s.kube.CoreV1().Pods(system).Get(ctx, packageManager.Name, metav1.GetOptions{})
		if err == nil && gone == nil && restarts(now) == restarts(packageManager) {
			err = errors.New("it still answers")
		}
		return err
	})
	f := function{s, namespace, "Greeter.greet"}
	if _, err := f.call(t.Context(), "anybody?"); err != nil {
		t.Errorf("while the Package Manager is down: %v", err)
	}
	// What it deployed is also kept in order without it.
	workload := f.workload(t)
	if err := s.kube.AppsV1().Deployments(namespace).Delete(t.Context(), workload.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted workload to be made again", func(ctx context.Context) error {
		var list *appsv1.DeploymentList
		list, err := s.kube.AppsV1().Deployments(namespace).List(ctx, f.selector())
		if err == nil && (len(list.Items) != 1 || list.Items[0].UID == workload.UID) {
			err = fmt.Errorf("there are %d", len(list.Items))
		}
		return err
	})
	eventually(t, "the Package Manager to be back with all it knew", func(ctx context.Context) error {
		found, err := s.deployment(ctx, namespace, "greeter")
		if err != nil {
			return err
		}
		if len(found.Status.Units) != 1 || found.Status.Units[0].DeploymentID != unit.DeploymentID {
			t.Fatalf("the units are %+v, want %s alone", found.Status.Units, unit.DeploymentID)
		}
		return hasCondition(found.Status.Conditions, pmv1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue)
	})
}

func uninstalls(t *testing.T, s *site) {
	t.Helper()
	if message := s.refused(t, "", install+" --uninstall"); !strings.Contains(message, "greeter/greeter") {
		t.Errorf("the refusal does not name the deployment: %s", message)
	}
	s.must(t, "", install+" --uninstall --delete-deployments")
	if err := s.leftovers(t.Context(), "greeter"); err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("after the end of the platform %v", err)
	}
	left := s.must(t, "", `kubectl get namespaces,apiservices,customresourcedefinitions,clusterroles,clusterrolebindings -o name | grep -e '[./]oaas' | grep -v coredns || true`)
	if left != "" {
		t.Errorf("after the end of the platform there are still\n%s", left)
	}
	// A registration that nobody answers for would keep it.
	s.must(t, "", "kubectl delete namespace greeter --timeout=180s")
	s.must(t, "", install+" --uninstall")
}

// onlyUnit returns the only unit of an available class deployment.
func (s *site) onlyUnit(t *testing.T, namespace, name string) pmv1alpha1.DeploymentUnitStatus {
	t.Helper()
	found, err := s.deployment(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := hasCondition(found.Status.Conditions, pmv1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue); err != nil {
		t.Fatal(err)
	}
	if len(found.Status.Units) != 1 {
		t.Fatalf("the units are %+v, want one", found.Status.Units)
	}
	return found.Status.Units[0]
}
