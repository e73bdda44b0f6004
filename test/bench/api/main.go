// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command api measures the aggregated API beside a custom resource of the same
// shape, through the same kube-apiserver on the same etcd, and the time from a
// deployment to available pods. All in one run, the ways taking turns, so that
// the ratios hold on a machine whose speed drifts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/test/bench/report"
)

// user has the rights of an administrator by a role binding, as people have, and
// not by the group that skips every check.
const user = "bench"

type settings struct {
	objects, clients, rounds, lists, classes int
	only                                     string
}

func main() {
	var s settings
	flag.IntVar(&s.objects, "objects", 2000, "objects of each kind")
	flag.IntVar(&s.clients, "clients", 16, "requests under way at a time")
	flag.IntVar(&s.rounds, "rounds", 10, "turns that the ways take, each with its share of the objects")
	flag.IntVar(&s.lists, "lists", 10, "full lists of all objects")
	flag.IntVar(&s.classes, "classes", 100, "classes that are deployed at once")
	flag.StringVar(&s.only, "only", "", "measure only requests or deployments")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) (err error) {
	steps := progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
	hub, err := cluster.Start(ctx, cluster.Options{Name: "bench", Progress: steps})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Stop(context.WithoutCancel(ctx))) }()
	running, err := platform.Start(ctx, platform.Options{Hub: hub, Progress: steps})
	if err != nil {
		return err
	}
	figures := report.New("api")
	if s.only != "deployments" {
		if err := requests(ctx, s, hub, running, steps, figures); err != nil {
			return err
		}
	}
	if s.only != "requests" {
		if err := deployments(ctx, s, hub, running, steps, figures); err != nil {
			return err
		}
	}
	for name, pid := range map[string]int{
		"kube-apiserver resident memory":  hub.Programs()["kube-apiserver"],
		"Package Manager resident memory": running.PID(platform.PackageManager),
		"CRM resident memory":             running.PID(platform.RuntimeManager(hub.Name())),
	} {
		resident, err := residentMiB(pid)
		if err != nil {
			return err
		}
		figures.Add(name, resident, "MiB", "")
	}
	return figures.Write(out)
}

func requests(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) (err error) {
	through, direct, err := prepare(ctx, hub, running)
	if err != nil {
		return err
	}
	crd, err := newTarget("crd", peerGroup, through)
	if err != nil {
		return err
	}
	aggregated, err := newTarget("aggregated", "pm.oaas.io", through)
	if err != nil {
		return err
	}
	// Who does not come through kube-apiserver has yet to be authorized: members of
	// the administrators' group at once, everybody else by a review for each new
	// combination of user, verb and object.
	administrator := hub.RESTConfig()
	administrator.Host = direct.Host
	straight, err := newTarget("direct", "pm.oaas.io", administrator)
	if err != nil {
		return err
	}
	reviewed, err := newTarget("direct with review", "pm.oaas.io", direct)
	if err != nil {
		return err
	}
	end := steps.Begin(fmt.Sprintf("sending requests for %d objects of each kind", s.objects))
	err = measure(ctx, s, crd, aggregated, straight, reviewed)
	end(err)
	if err != nil {
		return err
	}
	aims := map[verb]string{create: ">= 1", get: ">= 0.8", list: ">= 1.5", patch: ">= 1", remove: ">= 0.95"}
	for _, v := range []verb{create, get, list, patch, remove} {
		for _, t := range []*target{crd, aggregated, straight, reviewed} {
			figures.Add(fmt.Sprintf("%s, %s", v, t.name), t.rate(v), "1/s", "")
			figures.Add(fmt.Sprintf("%s, %s, p50", v, t.name), t.quantile(v, 0.5), "ms", "")
			figures.Add(fmt.Sprintf("%s, %s, p99", v, t.name), t.quantile(v, 0.99), "ms", "")
		}
		figures.Add(fmt.Sprintf("%s, aggregated to crd", v), aggregated.rate(v)/crd.rate(v), "ratio", aims[v])
		figures.Add(fmt.Sprintf("%s, direct to crd", v), straight.rate(v)/crd.rate(v), "ratio", ">= 1.5")
		figures.Add(fmt.Sprintf("%s, direct with review to crd", v), reviewed.rate(v)/crd.rate(v), "ratio", "")
	}
	return nil
}

// measure lets the ways take turns. Three of them lead to the same objects, so
// each makes and deletes its share of them before the next one's turn.
func measure(ctx context.Context, s settings, crd, aggregated, direct, reviewed *target) error {
	everyWay := []*target{crd, aggregated, direct, reviewed}
	turns := func(targets []*target, verbs ...verb) error {
		for round := range s.rounds {
			first, last := s.objects*round/s.rounds, s.objects*(round+1)/s.rounds
			for i := range targets {
				// Whoever comes first in a turn finds the machine in another state.
				t := targets[(i+round)%len(targets)]
				for _, v := range verbs {
					if err := t.run(ctx, v, s.clients, first, last); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	lists := func() error {
		for range s.lists {
			for _, t := range everyWay {
				if err := t.run(ctx, list, 1, 0, 1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, step := range []func() error{
		func() error { return turns(everyWay, create, remove) },
		// What is read and patched, made by nobody's account.
		func() error {
			return errors.Join(crd.fill(ctx, s.clients, s.objects), aggregated.fill(ctx, s.clients, s.objects))
		},
		func() error { return turns(everyWay, get) },
		lists,
		func() error { return turns(everyWay, patch) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the peer, the namespace and the user, and returns how to reach
// kube-apiserver and the Package Manager as that user.
func prepare(ctx context.Context, hub *cluster.Cluster, running *platform.Platform) (through, direct *rest.Config, err error) {
	kube, err := kubernetes.NewForConfig(hub.RESTConfig())
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bench"}}, metav1.CreateOptions{}); err != nil {
		return nil, nil, fmt.Errorf("making a namespace: %w", err)
	}
	if _, err := kube.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{}); err != nil {
		return nil, nil, fmt.Errorf("binding a role: %w", err)
	}
	if err := definePeer(ctx, hub); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(hub.Dir(), "bench.kubeconfig")
	if err := hub.WriteKubeconfig(path, user); err != nil {
		return nil, nil, err
	}
	if through, err = clientcmd.BuildConfigFromFlags("", path); err != nil {
		return nil, nil, fmt.Errorf("reading the user's kubeconfig: %w", err)
	}
	direct = rest.CopyConfig(through)
	direct.Host = "https://" + running.Address(platform.PackageManager)
	return through, direct, nil
}

func definePeer(ctx context.Context, hub *cluster.Cluster) error {
	client, err := apiextensions.NewForConfig(hub.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	definition, err := peerDefinition()
	if err != nil {
		return err
	}
	if _, err := client.ApiextensionsV1().CustomResourceDefinitions().Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("defining the custom resource: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		found, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, definition.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiextensionsv1.NonStructuralSchema && condition.Status == apiextensionsv1.ConditionTrue {
				return false, errors.New(condition.Message)
			}
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the custom resource: %w", err)
	}
	// Established comes before the handler serves; the first list tells.
	peer, err := newTarget("crd", peerGroup, hub.RESTConfig())
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return peer.request(ctx, list, 0) == nil, nil
	})
}
