// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// Of two replicas of the Package Manager one works. When it is killed in the
// middle of a deployment, the other finishes it; when the killed one is back, it
// stands by.
func TestAnotherReplicaTakesOverWhenTheLeaderIsKilled(t *testing.T) {
	namespace := newNamespace(t)
	pair := startReplicas(t)
	leader := pair.leader(t)
	survivor := pair.other(leader)
	client := pair.client(t, survivor)

	mustOaas(t, crowdFile(), "deploy", "-f", "-", "-n", namespace)
	eventually(t, "the leader to have begun", func(ctx context.Context) error {
		list, err := client.PmV1alpha1().ClassDeployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if len(list.Items[i].Status.Units) > 0 {
				return nil
			}
		}
		return errors.New("no unit is planned")
	})
	if err := pair.platform.Kill(t.Context(), leader); err != nil {
		t.Fatal(err)
	}
	// Written while nobody leads, so that the other replica has something to do.
	orphan := &v1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "late"},
		Spec:       v1alpha1.ClassDeploymentSpec{PackageName: "crowd", ClassKey: "C0"},
	}
	if _, err := client.PmV1alpha1().ClassDeployments(namespace).Create(t.Context(), orphan, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other replica to lead", func(context.Context) error { return pair.expectLeaders(survivor) })
	available := func(name string) {
		eventually(t, "class deployment "+name+" to be available", func(ctx context.Context) error {
			found, err := client.PmV1alpha1().ClassDeployments(namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			return hasCondition(found.Status.Conditions, v1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue)
		})
	}
	available("late")
	for i := range crowd {
		available(fmt.Sprintf("c%d", i))
	}

	pair.run(t, leader)
	if err := pair.platform.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := orphan.DeepCopy()
	again.Name = "again"
	if _, err := client.PmV1alpha1().ClassDeployments(namespace).Create(t.Context(), again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	available("again")
	if err := pair.expectLeaders(survivor); err != nil {
		t.Error(err)
	}
	// Two that act would each tell about it.
	expectEvents(t, namespace, "ClassDeployment", "again", "Normal Planned x1", "Normal Accepted x1", "Normal UnitsAvailable x1")
	if err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing to be left", func(ctx context.Context) error {
		left, err := leftovers(ctx, hub, namespace)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%v are left", left)
		}
		return err
	})
}

// replicas are two Package Managers in place of the hub's single one.
type replicas struct {
	platform *platform.Platform
	names    []string
	// logged is the length of each log before its present process.
	logged map[string]int
}

func startReplicas(t *testing.T) *replicas {
	t.Helper()
	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { restart(t, platform.PackageManager) })
	pair := &replicas{
		names:  []string{platform.PackageManagerReplica(0), platform.PackageManagerReplica(1)},
		logged: map[string]int{},
	}
	before, err := os.ReadFile(hub.platform.LogPath(platform.PackageManager))
	if err != nil {
		t.Fatal(err)
	}
	pair.logged[platform.PackageManager] = len(before)
	pair.platform, err = platform.Start(t.Context(), platform.Options{Hub: hub.cluster, BinDir: hub.platform.BinDir(), Replicas: len(pair.names)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range pair.names {
			if err := pair.platform.Kill(context.Background(), name); err != nil {
				t.Error(err)
			}
		}
	})
	return pair
}

// run starts a replica that was killed.
func (r *replicas) run(t *testing.T, name string) {
	t.Helper()
	before, err := os.ReadFile(r.platform.LogPath(name))
	if err != nil {
		t.Fatal(err)
	}
	r.logged[name] = len(before)
	if err := r.platform.Run(name); err != nil {
		t.Fatal(err)
	}
}

// leads tells from its log whether a replica that runs has its controllers at
// work.
func (r *replicas) leads(name string) (bool, error) {
	if r.platform.PID(name) == 0 {
		return false, nil
	}
	content, err := os.ReadFile(r.platform.LogPath(name))
	if err != nil {
		return false, err
	}
	log := string(content[r.logged[name]:])
	if i := strings.LastIndex(log, "Controllers stopped"); i >= 0 {
		log = log[i:]
	}
	return strings.Contains(log, "Controllers started"), nil
}

func (r *replicas) leader(t *testing.T) (name string) {
	t.Helper()
	eventually(t, "one replica to lead", func(context.Context) error {
		for _, name = range r.names {
			if r.expectLeaders(name) == nil {
				return nil
			}
		}
		return errors.New("none leads alone")
	})
	return name
}

// expectLeaders fails unless the named replica leads and no other does.
func (r *replicas) expectLeaders(want string) error {
	for _, name := range r.names {
		leads, err := r.leads(name)
		if err != nil {
			return err
		}
		if leads != (name == want) {
			return fmt.Errorf("%s leads = %t, want %s to lead alone", name, leads, want)
		}
	}
	return nil
}

func (r *replicas) other(name string) string {
	if name == r.names[0] {
		return r.names[1]
	}
	return r.names[0]
}

// client reaches a replica itself, without kube-apiserver.
func (r *replicas) client(t *testing.T, name string) versioned.Interface {
	t.Helper()
	config, err := r.platform.Direct(t.Context(), name, hub.config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
