// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/intent"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/odgm/probe"
)

// patience bounds every wait.
const patience = 60 * time.Second

// TestPods applies grids in every form: the API server takes each object as it is,
// a second time changes nothing, and every pod is the node that the grid expects.
func TestPods(t *testing.T) {
	log.SetLogger(logr.Discard())
	kube, err := cluster.Start(t.Context(), cluster.Options{Name: "odgm"})
	if err != nil {
		t.Fatal("start cluster:", err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error("stop cluster:", err)
		}
	})
	api, err := client.New(kube.RESTConfig(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(*odgm.Input){
		"cluster": func(in *odgm.Input) {
			in.Mode = v1alpha1.ODGMCluster
			in.ManagerNamespace = "oaas-system"
			in.Environment.NetworkPolicy = v1alpha1.NetworkPolicySettings{Enabled: true, AllowedNamespaces: []metav1.LabelSelector{{}}}
			in.Environment.Scheduling = v1alpha1.Scheduling{ImagePullSecrets: []string{"registry"}}
		},
		"cluster-with-volumes": func(in *odgm.Input) {
			in.Mode, in.RequireSpread = v1alpha1.ODGMCluster, true
			in.Environment.ODGM.Storage = &v1alpha1.ODGMStorage{Size: new(resource.MustParse("1Gi"))}
		},
		"sidecar": func(in *odgm.Input) { in.Mode = v1alpha1.ODGMSidecar },
		"sidecar-with-volumes": func(in *odgm.Input) {
			in.Mode = v1alpha1.ODGMSidecar
			in.Environment.ODGM.Storage = &v1alpha1.ODGMStorage{Size: new(resource.MustParse("1Gi"))}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			in := inputOf(name)
			change(&in)
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if err := api.Create(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
			grid, err := odgm.Plan(in)
			if err != nil {
				t.Fatal(err)
			}
			objects := grid.Objects()
			if in.Mode == v1alpha1.ODGMSidecar {
				for _, f := range in.Functions {
					objects = append(objects, functionSet(t, in, grid, f))
				}
			}
			before := applyAll(t, api, objects)
			waitForNodes(t, api, grid, in)
			if after := applyAll(t, api, objects); !slices.Equal(before, after) {
				t.Errorf("applied again, objects change from\n%v to\n%v", before, after)
			}
		})
	}
}

// inputOf is a class with persistent state and two functions.
func inputOf(name string) odgm.Input {
	return odgm.Input{
		Record: &v1alpha1.DeploymentRecord{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: name},
			Spec: v1alpha1.DeploymentRecordSpec{
				DeploymentUnit:    v1alpha1.DeploymentUnit{ID: name, PackageName: "shop", ClassKey: "Größe"},
				TargetEnvironment: "dev",
				State:             &v1alpha1.ClassState{Persistent: true, RequiresSingleton: true},
			},
		},
		Image: "odgm:1",
		Functions: []odgm.Function{
			{Key: "add", Name: "cart-add-is-a-function-with-as-long-a-name-as-can-be", URL: "http://cart-add", Port: 8080, Replicas: 2},
			{Key: "sum", Name: "cart-sum", URL: "http://cart-sum", Port: 8079, Replicas: 1},
		},
	}
}

// functionSet is a function's StatefulSet as a template would make it.
func functionSet(t *testing.T, in odgm.Input, grid *odgm.Grid, f odgm.Function) runtime.Object {
	t.Helper()
	sidecar, ok := grid.Sidecar(f.Key)
	if !ok {
		t.Fatalf("function %s has no node beside it", f.Key)
	}
	labels := map[string]string{v1alpha1.LabelDeploymentID: in.Record.Name, v1alpha1.LabelFunction: f.Key}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelFunction: f.Key}}
	maps.Copy(labels, sidecar.PodLabels)
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: metav1.ObjectMeta{Name: f.Name, Namespace: in.Record.Namespace},
		Spec: appsv1.StatefulSetSpec{
			Replicas:             new(f.Replicas),
			Selector:             selector,
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			Ordinals:             &appsv1.StatefulSetOrdinals{Start: sidecar.OrdinalStart},
			VolumeClaimTemplates: sidecar.Claims,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					InitContainers: []corev1.Container{sidecar.Container},
					Containers:     []corev1.Container{{Name: "function", Image: "function:1", Env: grid.FunctionEnv(f.Key)}},
					Volumes:        sidecar.Volumes,
				},
			},
		},
	}
}

// applyAll applies objects as the reconciler does and returns their versions, which
// move with what was applied and not with what controllers add.
func applyAll(t *testing.T, api client.Client, objects []runtime.Object) []string {
	t.Helper()
	var versions []string
	for _, object := range objects {
		wanted, err := intent.From(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(v1alpha1.FieldManagerReconciler), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s %s: %v", wanted.GetKind(), wanted.GetName(), err)
		}
		version := strconv.FormatInt(wanted.GetGeneration(), 10)
		if version == "0" {
			// Kinds without a status have no generation.
			version = wanted.GetResourceVersion()
		}
		versions = append(versions, fmt.Sprintf("%s/%s %s", wanted.GetKind(), wanted.GetName(), version))
	}
	return versions
}

// waitForNodes waits until the pods that the grid's Services select are its members.
func waitForNodes(t *testing.T, api client.Client, grid *odgm.Grid, in odgm.Input) {
	t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		if err := api.List(ctx, pods, client.InNamespace(in.Record.Namespace), client.MatchingLabels(grid.PodSelector())); err != nil {
			return false, err
		}
		var ids []uint64
		for i := range pods.Items {
			node, ok := probe.NodeOf(&pods.Items[i], odgm.ContainerName, grid.Port)
			if !ok {
				return false, fmt.Errorf("pod %s has no index", pods.Items[i].Name)
			}
			ids = append(ids, node.ID)
		}
		slices.Sort(ids)
		last = fmt.Sprintf("nodes %v, want %v", ids, grid.Members)
		return slices.Equal(ids, grid.Members), nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, last)
	}
}
