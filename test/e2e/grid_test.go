// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

// nodeSelector selects the pods that run a node of a grid.
const nodeSelector = odgm.LabelNode

// grid is the data grid of the only deployment in a namespace.
type grid struct {
	site      *site
	namespace string
	// manifest is what was deployed.
	manifest string
	// unit is the name of the record.
	unit string
	mode oaasv1alpha1.ODGMMode
	// size is the number of nodes.
	size int32
	// ids of the nodes, ascending.
	ids []int64
}

// deploysWithGrid deploys a changed form of the example with state, and checks its
// data grid.
func (s *site) deploysWithGrid(t *testing.T, namespace string, mode oaasv1alpha1.ODGMMode, size int32, edits ...edit) *grid {
	t.Helper()
	g := &grid{
		site: s, namespace: s.newNamespace(t, namespace), mode: mode, size: size,
		manifest: edited(t, s.example(t, "record.yaml"), append(edits, edit{"consistency_model: READ_YOUR_WRITE", "consistency_model: STRONG"})...),
	}
	s.must(t, g.manifest, "kubectl oaas deploy --wait -n "+namespace+" -f -")
	g.unit = s.onlyUnit(t, namespace, "record").DeploymentID
	g.serves(t)
	return g
}

// serves waits until the record says that every node serves, and checks that each
// is who it should be and has its own data.
func (g *grid) serves(t *testing.T) {
	t.Helper()
	var record *oaasv1alpha1.DeploymentRecord
	eventually(t, "every node of the data grid to serve", func(ctx context.Context) error {
		found, err := g.site.record(ctx, g.namespace)
		if err != nil {
			return err
		}
		record = found
		return errors.Join(hasCondition(found.Status.Conditions, oaasv1alpha1.ConditionODGMReady, metav1.ConditionTrue),
			hasCondition(found.Status.Conditions, oaasv1alpha1.ConditionAvailable, metav1.ConditionTrue))
	})
	status := record.Status.ODGMClusterStatus
	if status == nil || status.Mode != g.mode || status.Nodes != g.size || status.ReadyNodes != g.size || len(status.Members) != int(g.size) || status.Message != "" {
		t.Fatalf("the data grid is told to be %+v, want %d nodes in mode %s that are ready", status, g.size, g.mode)
	}
	shard := oaasv1alpha1.ShardBasic
	if g.size > 1 {
		shard = oaasv1alpha1.ShardRaft
	}
	if len(status.Collections) != 1 || status.Collections[0].Name != "Record_data" || status.Collections[0].ReplicaCount != g.size || status.Collections[0].ShardType != shard {
		t.Errorf("the collections are %+v, want Record_data with %d copies kept as %s", status.Collections, g.size, shard)
	}
	g.ids = nil
	for _, member := range status.Members {
		if !member.Ready {
			t.Errorf("node %d is not ready: %s", member.ID, member.Message)
		}
		g.ids = append(g.ids, member.ID)
	}
	for _, pod := range g.pods(t, nodeSelector) {
		g.isItself(t, &pod)
	}
}

// isItself checks that the node in a pod has the pod's index as its id, knows the
// others, and has data that is its own.
func (g *grid) isItself(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	index := pod.Labels[appsv1.PodIndexLabel]
	if id, err := strconv.ParseInt(index, 10, 64); err != nil || !slices.Contains(g.ids, id) {
		t.Errorf("pod %s has index %q, which is none of the nodes %v", pod.Name, index, g.ids)
	}
	eventually(t, pod.Name+" to say who it is", func(ctx context.Context) error {
		log, err := g.site.run(ctx, "", "kubectl logs -n "+g.namespace+" "+pod.Name+" -c "+odgm.ContainerName)
		if want := fmt.Sprintf("node %s of %v serves", index, g.ids); err == nil && !strings.Contains(log, want) {
			err = fmt.Errorf("it does not say %q, but:\n%s", want, log)
		}
		return err
	})
	owner, err := os.ReadFile(filepath.Join(g.folderOf(t, pod), ownerFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(owner)); got != index {
		t.Errorf("pod %s has the data of node %s", pod.Name, got)
	}
}

// folderOf is where the data of the node in a pod is on this machine.
func (g *grid) folderOf(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := g.site.kube.CoreV1().PersistentVolumeClaims(g.namespace).Get(t.Context(), volume.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := g.site.kube.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return found.Spec.HostPath.Path
	}
	t.Fatalf("pod %s has no volume of its own", pod.Name)
	return ""
}

// endpoint is where a data grid of its own is reached.
func (g *grid) endpoint() string {
	return fmt.Sprintf("http://%s-odgm.%s.svc:8080", g.unit, g.namespace)
}

// tellsFunctions checks that every function knows the grid and reaches it.
func (g *grid) tellsFunctions(t *testing.T, endpoint string) {
	t.Helper()
	want := map[string]string{
		"endpoint": endpoint, "clusterID": g.unit + "-default", "nodeRole": "client", "collections": `["Record_data"]`,
		"accessMode": "ReadWrite", "cachingStrategy": "None",
	}
	for _, key := range []string{"Record.access", "Record.audit"} {
		f := function{g.site, g.namespace, key}
		f.mustAnswer(t, g.unit)
		eventually(t, key+" to reach the data grid", func(ctx context.Context) error {
			content, err := f.fetch(ctx, http.MethodGet, "/grid", "")
			if err != nil {
				return err
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(content), &got); err != nil {
				return fmt.Errorf("%s answered %q: %w", key, content, err)
			}
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s takes %s to be %q, want %q", key, name, got[name], value)
				}
			}
			return nil
		})
	}
}

// showsItself checks what people see.
func (g *grid) showsItself(t *testing.T) {
	t.Helper()
	list := g.site.must(t, "", "kubectl get drec -n "+g.namespace)
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if got, want := strings.Join(strings.Fields(lines[0]), " "), "NAME PACKAGE CLASS ENVIRONMENT TEMPLATE CONDITION AVAILABLE ODGM AGE"; got != want {
		t.Errorf("records are listed as %q, want %q", got, want)
	}
	if got, want := strings.Join(strings.Fields(lines[1]), " "), g.unit+" record Record default deployment Running True True"; !strings.HasPrefix(got, want) {
		t.Errorf("the record is listed as %q, want %q", got, want)
	}
	description := g.site.must(t, "", "kubectl describe drec -n "+g.namespace+" "+g.unit)
	for _, want := range []string{"Odgm Cluster Status:", "Every node of the data grid is ready.", g.unit + "-odgm-2"} {
		if !strings.Contains(description, want) {
			t.Errorf("the description lacks %q:\n%s", want, description)
		}
	}
}

// heals kills the node in a pod, and then deletes the pod: both times the node comes
// back as the same one with its data.
func (g *grid) heals(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	before := restarts(pod)
	killProcess(t, pod, "odgm")
	eventually(t, "the killed node to be restarted", func(ctx context.Context) error {
		found, err := g.site.kube.CoreV1().Pods(g.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && restarts(found) == before {
			err = errors.New("no container was restarted")
		}
		return err
	})
	g.serves(t)

	folder := g.folderOf(t, pod)
	if err := g.site.kube.CoreV1().Pods(g.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record to tell which node is missing", func(ctx context.Context) error {
		record, err := g.site.record(ctx, g.namespace)
		if err != nil {
			return err
		}
		if err := hasCondition(record.Status.Conditions, oaasv1alpha1.ConditionODGMReady, metav1.ConditionFalse); err != nil {
			return err
		}
		for _, member := range record.Status.ODGMClusterStatus.Members {
			if strconv.FormatInt(member.ID, 10) == pod.Labels[appsv1.PodIndexLabel] && !member.Ready && member.Message != "" {
				return nil
			}
		}
		return fmt.Errorf("it tells of %+v", record.Status.ODGMClusterStatus.Members)
	})
	eventually(t, "another pod of the same name", func(ctx context.Context) error {
		found, err := g.site.kube.CoreV1().Pods(g.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && found.UID == pod.UID {
			err = errors.New("it is still the old one")
		}
		return err
	})
	g.serves(t)
	found, err := g.site.kube.CoreV1().Pods(g.namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again := g.folderOf(t, found); again != folder {
		t.Errorf("pod %s has its data in %s, and had it in %s", pod.Name, again, folder)
	}
}

// isRemoved deletes the deployment, and waits until nothing is left of it.
func (g *grid) isRemoved(t *testing.T) {
	t.Helper()
	g.site.must(t, g.manifest, "kubectl oaas delete --wait -n "+g.namespace+" -f -")
	eventually(t, "nothing to be left", func(ctx context.Context) error { return g.site.leftovers(ctx, g.namespace) })
}

// pods are those with a label, by name.
func (g *grid) pods(t *testing.T, label string) []corev1.Pod {
	t.Helper()
	list, err := g.site.kube.CoreV1().Pods(g.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: label})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// claims are the UIDs of the volume claims, by name.
func (g *grid) claims(t *testing.T) []string {
	t.Helper()
	list, err := g.site.kube.CoreV1().PersistentVolumeClaims(g.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var claims []string
	for _, claim := range list.Items {
		claims = append(claims, claim.Name+" "+string(claim.UID))
	}
	slices.Sort(claims)
	return claims
}

// record returns the only record of a namespace.
func (s *site) record(ctx context.Context, namespace string) (*oaasv1alpha1.DeploymentRecord, error) {
	list, err := s.dynamic.Resource(schema.GroupVersionResource{Group: oaasv1alpha1.GroupName, Version: "v1alpha1", Resource: "deploymentrecords"}).
		Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	if len(list.Items) != 1 {
		return nil, fmt.Errorf("there are %d records, want one", len(list.Items))
	}
	record := &oaasv1alpha1.DeploymentRecord{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[0].Object, record); err != nil {
		return nil, fmt.Errorf("reading record %s: %w", list.Items[0].GetName(), err)
	}
	return record, nil
}

// readySince is when a pod became ready; far in the future if it is not.
func readySince(pod *corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Now().Add(time.Hour)
}
