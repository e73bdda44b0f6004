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
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/image"
	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// storageClass is the class of the volumes that this test makes, volumeCount of
	// them: one for each claim.
	storageClass = "e2e"
	volumeCount  = 9
	// ownerFile is where the stand-in leaves the id of the node that data belongs to.
	ownerFile = "node-id"
)

// A class with state and its data grid, in both ways in which a grid runs. A program
// stands in for the data grid: it is as strict about its environment, answers for
// its grid and owns its volume, but keeps no objects.
func TestDataGridOnARealNode(t *testing.T) {
	s := startRealCluster(t, image.ODGM())
	volumes := t.TempDir() // as long as the node

	// Each step needs those before it.
	for _, step := range []struct {
		name string
		run  func(t *testing.T, s *site)
	}{
		{"install with the image of a data grid", func(t *testing.T, s *site) { t.Helper(); installsGrids(t, s, volumes) }},
		{"a grid of its own", runsGridOfItsOwn},
		{"a grid beside functions", runsGridBesideFunctions},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, s) }) {
			s.explain(t)
			return
		}
	}
}

func installsGrids(t *testing.T, s *site, volumes string) {
	t.Helper()
	s.must(t, "", install)
	// The profile full wants the nodes of a grid on different machines, and here is
	// one alone.
	s.must(t, "", "kubectl set env -n "+system+" deployment/oaas-crm OPRC_CRM_PROFILE=dev OPRC_CRM_SECURITY_MTLS=true"+
		" OPRC_CRM_ODGM_IMAGE="+image.ODGM().Reference)
	s.must(t, "", "kubectl rollout status -n "+system+" deployment/oaas-crm --timeout=180s")
	for i := range volumeCount {
		s.makesVolume(t, filepath.Join(volumes, fmt.Sprintf("e2e-%d", i)))
	}
	s.must(t, fmt.Sprintf(`
apiVersion: oaas.io/v1alpha1
kind: EnvironmentConfig
metadata: {name: default}
spec:
  odgm:
    storage: {className: %s, size: 16Mi}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {cpu: 500m, memory: 128Mi}
`, storageClass), "kubectl apply -f -")
	s.must(t, "", "kubectl wait envcfg/default --for=condition=Ready --timeout=180s")
}

// makesVolume makes a persistent volume of a folder, as a storage class does elsewhere.
func (s *site) makesVolume(t *testing.T, dir string) {
	t.Helper()
	// Kubernetes gives a folder of the machine to no user.
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil { //nolint:gosec // any user of any pod
		t.Fatal(err)
	}
	_, err := s.kube.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: filepath.Base(dir)},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("16Mi")},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			StorageClassName:              storageClass,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func runsGridOfItsOwn(t *testing.T, s *site) {
	t.Helper()
	g := s.deploysWithGrid(t, "grid", oaasv1alpha1.ODGMCluster, 1)
	nodes, functions := g.pods(t, nodeSelector), g.pods(t, oaasv1alpha1.LabelFunction)
	if len(nodes) != 1 || len(functions) != 2 {
		t.Fatalf("there are %d pods of nodes and %d of functions, want one of each", len(nodes), len(functions))
	}
	ready := readySince(&nodes[0])
	for _, function := range functions {
		if function.CreationTimestamp.Time.Before(ready) {
			t.Errorf("%s was made at %s, before the node of the grid was ready at %s", function.Name, function.CreationTimestamp, ready)
		}
	}
	g.grows(t, 3)
	if want := []int64{1, 2, 3}; !slices.Equal(g.ids, want) {
		t.Errorf("the nodes are %v, want %v", g.ids, want)
	}
	g.tellsFunctions(t, g.endpoint())
	g.showsItself(t)
	g.heals(t, &g.pods(t, nodeSelector)[1])
	g.changesNodes(t, "600m")
	// What calls the grid has lived through it.
	for _, function := range g.pods(t, oaasv1alpha1.LabelFunction) {
		if restarts(&function) != 0 || !slices.ContainsFunc(functions, func(p corev1.Pod) bool { return p.UID == function.UID }) {
			t.Errorf("function %s was restarted because of the data grid", function.Name)
		}
	}
	g.isRemoved(t)
}

func runsGridBesideFunctions(t *testing.T, s *site) {
	t.Helper()
	edits := []edit{
		{"replica_count: 1", "replica_count: 3"},
		pin("statefulset"),
		{"      cpu_request: 50m\n", "      min_scale: 2\n      cpu_request: 50m\n"},
	}
	g := s.deploysWithGrid(t, "beside", oaasv1alpha1.ODGMSidecar, 3, edits...)
	pods := g.pods(t, oaasv1alpha1.LabelFunction)
	if nodes := g.pods(t, nodeSelector); len(nodes) != len(pods) {
		t.Errorf("there are %d pods with a node, and %d of functions", len(nodes), len(pods))
	}
	for _, pod := range pods {
		g.startsBehindNode(t, &pod)
	}
	g.tellsFunctions(t, "http://localhost:8079")
	g.heals(t, &pods[0])
	g.changesNodes(t, "700m")

	// What is retained is found again, by nodes of the same ids.
	s.must(t, "", "kubectl patch classdeployment -n "+g.namespace+` record --type merge -p '{"spec":{"deletionPolicy":"Retain"}}'`)
	eventually(t, "the policy to reach the record", func(ctx context.Context) error {
		record, err := s.record(ctx, g.namespace)
		if err == nil && record.Spec.DeletionPolicy != oaasv1alpha1.DeletionRetain {
			err = fmt.Errorf("it is %s", record.Spec.DeletionPolicy)
		}
		return err
	})
	claims := g.claims(t)
	s.must(t, g.manifest, "kubectl oaas delete --wait -n "+g.namespace+" -f -")
	eventually(t, "nothing but data to be left", func(ctx context.Context) error {
		return s.leftovers(ctx, g.namespace, "PersistentVolumeClaim")
	})
	s.must(t, g.manifest, "kubectl oaas deploy --wait -n "+g.namespace+" -f -")
	g.serves(t)
	if again := g.claims(t); !slices.Equal(again, claims) {
		t.Errorf("the data is in %v, and was in %v before the deployment was deleted", again, claims)
	}

	g.leavesFunctions(t)
	g.isRemoved(t)
}

// startsBehindNode checks that a function started once its node did, and that the
// node goes on running.
func (g *grid) startsBehindNode(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	if len(pod.Status.InitContainerStatuses) != 1 || pod.Spec.InitContainers[0].RestartPolicy == nil {
		t.Fatalf("pod %s has no node beside its function", pod.Name)
	}
	node, function := pod.Status.InitContainerStatuses[0].State.Running, pod.Status.ContainerStatuses[0].State.Running
	if node == nil || function == nil {
		t.Fatalf("in pod %s not everything runs: %+v %+v", pod.Name, pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	}
	if function.StartedAt.Before(&node.StartedAt) {
		t.Errorf("in pod %s the function started at %s, before its node at %s", pod.Name, function.StartedAt, node.StartedAt)
	}
}
