// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// peer makes with client-go what the runtime manager makes: the floor that no
// controller can go below.
type peer struct {
	kubernetes.Interface
	clients int
}

func newPeer(_ context.Context, hub *cluster.Cluster, clients int) (*peer, error) {
	path := filepath.Join(hub.Dir(), "bench-peer.kubeconfig")
	if err := hub.WriteKubeconfig(path, "bench-peer", "system:masters"); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading the peer's kubeconfig: %w", err)
	}
	config.QPS = -1
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the peer's client: %w", err)
	}
	return &peer{kube, clients}, nil
}

// children are the objects of one record.
type children struct {
	deployments []appsv1.Deployment
	services    []corev1.Service
}

// childrenOf reads what the runtime manager made for a record, without what the
// API server added.
func (p *peer) childrenOf(ctx context.Context, namespace, record string) (children, error) {
	options := metav1.ListOptions{LabelSelector: v1alpha1.LabelDeploymentID + "=" + record}
	deployments, err := p.AppsV1().Deployments(namespace).List(ctx, options)
	if err != nil {
		return children{}, fmt.Errorf("reading the children: %w", err)
	}
	services, err := p.CoreV1().Services(namespace).List(ctx, options)
	if err != nil {
		return children{}, fmt.Errorf("reading the children: %w", err)
	}
	found := children{deployments.Items, services.Items}
	if len(found.deployments)+len(found.services) != childrenOfRecord {
		return children{}, fmt.Errorf("record %s has %d Deployments and %d Services, which are not the %d children that are counted with",
			record, len(found.deployments), len(found.services), childrenOfRecord)
	}
	for i := range found.deployments {
		found.deployments[i].ObjectMeta = ownMeta(found.deployments[i].ObjectMeta)
		found.deployments[i].Status = appsv1.DeploymentStatus{}
	}
	for i := range found.services {
		found.services[i].ObjectMeta = ownMeta(found.services[i].ObjectMeta)
		found.services[i].Spec.ClusterIP, found.services[i].Spec.ClusterIPs = "", nil
	}
	return found, nil
}

// recordWrites counts the writes that belong to records: of the records themselves
// and, by server-side apply, which nobody else uses for them, of their children.
func (p *peer) recordWrites(ctx context.Context) (float64, error) {
	body, err := p.Discovery().RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of kube-apiserver: %w", err)
	}
	defer func() { _ = body.Close() }() // what matters was read
	parser := expfmt.NewTextParser(prommodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of kube-apiserver: %w", err)
	}
	reads := []string{"GET", "LIST", "WATCH"}
	var writes float64
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		verb := label(metric, "verb")
		switch label(metric, "resource") {
		case "deploymentrecords":
			if !slices.Contains(reads, verb) {
				writes += metric.GetCounter().GetValue()
			}
		case "deployments", "services":
			if verb == "APPLY" {
				writes += metric.GetCounter().GetValue()
			}
		}
	}
	return writes, nil
}

// eventsOf counts the Events about the records of a namespace.
func (p *peer) eventsOf(ctx context.Context, namespace string) (int, error) {
	events, err := p.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "regarding.kind=" + v1alpha1.KindDeploymentRecord})
	if err != nil {
		return 0, fmt.Errorf("listing Events: %w", err)
	}
	return len(events.Items), nil
}

func ownMeta(full metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: full.Name, Labels: full.Labels, Annotations: full.Annotations}
}

// makeAll makes the children of so many records and returns when all Deployments
// are available.
func (p *peer) makeAll(ctx context.Context, namespace string, pattern children, records int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.await(ctx, namespace, records*len(pattern.deployments)) })
	group.Go(func() error {
		return each(ctx, records, p.clients, func(ctx context.Context, i int) error { return p.make(ctx, namespace, pattern, i) })
	})
	return group.Wait()
}

// make makes the children of record number i, one after the other as the runtime
// manager does.
func (p *peer) make(ctx context.Context, namespace string, pattern children, i int) error {
	for j := range pattern.deployments {
		if err := p.makeDeployment(ctx, namespace, pattern.deployment(i, j)); err != nil {
			return err
		}
		service := pattern.services[j].DeepCopy()
		service.Name = floorName(i, j)
		delete(service.Labels, v1alpha1.LabelManagedBy)
		service.Spec.Selector[v1alpha1.LabelDeploymentID] = service.Name
		if _, err := p.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("making Service %s: %w", service.Name, err)
		}
	}
	return nil
}

func (p *peer) makeDeployment(ctx context.Context, namespace string, deployment *appsv1.Deployment) error {
	if _, err := p.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making Deployment %s: %w", deployment.Name, err)
	}
	return nil
}

func floorName(i, j int) string { return fmt.Sprintf("floor-%05d-%d", i, j) }

// deployment is the Deployment of function j of record number i, with pods of its own.
func (c children) deployment(i, j int) *appsv1.Deployment {
	deployment := c.deployments[j].DeepCopy()
	deployment.Name = floorName(i, j)
	for _, labels := range []map[string]string{deployment.Labels, deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels} {
		labels[v1alpha1.LabelDeploymentID] = deployment.Name
		delete(labels, v1alpha1.LabelManagedBy)
	}
	return deployment
}

// await follows the Deployments of a namespace until so many are available.
func (p *peer) await(ctx context.Context, namespace string, deployments int) error {
	ready := map[string]bool{}
	return p.follow(ctx, namespace, func(deployment *appsv1.Deployment) bool {
		if available(deployment) {
			ready[deployment.Name] = true
		}
		return len(ready) >= deployments
	})
}

// awaitOthers follows the Deployments of a namespace until others have taken the names
// of some, given with their UIDs, and are far enough.
func (p *peer) awaitOthers(ctx context.Context, namespace string, removed map[string]types.UID, enough func(*appsv1.Deployment) bool) error {
	left := maps.Clone(removed)
	return p.follow(ctx, namespace, func(deployment *appsv1.Deployment) bool {
		if left[deployment.Name] != deployment.UID && enough(deployment) {
			delete(left, deployment.Name)
		}
		return len(left) == 0
	})
}

func available(deployment *appsv1.Deployment) bool {
	return deployment.Status.ObservedGeneration >= deployment.Generation && deployment.Status.AvailableReplicas > 0
}

// follow shows the Deployments of a namespace as they are and as they change, until
// that is enough.
func (p *peer) follow(ctx context.Context, namespace string, enough func(*appsv1.Deployment) bool) error {
	deployments := cache.NewListWatchFromClient(p.AppsV1().RESTClient(), "deployments", namespace, fields.Everything())
	_, err := watchtools.UntilWithSync(ctx, deployments, &appsv1.Deployment{}, nil, func(event watch.Event) (bool, error) {
		deployment, ok := event.Object.(*appsv1.Deployment)
		return ok && event.Type != watch.Deleted && enough(deployment), nil
	})
	if err != nil {
		return fmt.Errorf("watching Deployments: %w", err)
	}
	return nil
}

// removeNamespaces deletes namespaces with all that is in them and waits until they are
// gone, so that nothing of it runs beside the next measurement.
func (p *peer) removeNamespaces(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := p.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("removing namespace %s: %w", name, err)
		}
		err := wait.PollUntilContextTimeout(ctx, time.Second, 20*time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := p.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
		if err != nil {
			return fmt.Errorf("waiting until namespace %s is gone: %w", name, err)
		}
	}
	return nil
}

// removeDeployments deletes so many Deployments of a namespace and returns their names
// and UIDs.
func (p *peer) removeDeployments(ctx context.Context, namespace string, count int) (map[string]types.UID, error) {
	before, err := p.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing Deployments: %w", err)
	}
	removed := map[string]types.UID{}
	for i := range before.Items[:min(count, len(before.Items))] {
		removed[before.Items[i].Name] = before.Items[i].UID
	}
	for name := range removed {
		if err := p.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return nil, fmt.Errorf("deleting Deployment %s: %w", name, err)
		}
	}
	return removed, nil
}
