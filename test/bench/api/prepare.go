// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/test/bench/scale"
)

// prepare makes the peer, the namespace and the user, and returns how to reach
// kube-apiserver and the Package Manager as that user.
func prepare(ctx context.Context, hub *cluster.Cluster, running *platform.Platform) (through, direct *rest.Config, err error) {
	kube, err := kubernetes.NewForConfig(hub.RESTConfig())
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: scale.Namespace}}, metav1.CreateOptions{}); err != nil {
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
	direct, err = running.Direct(ctx, platform.PackageManager, through)
	return through, direct, err
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
