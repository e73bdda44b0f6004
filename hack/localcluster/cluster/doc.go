// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes control plane on this machine, without
// root, containers or downloads of programs: etcd, kube-apiserver (set up to
// aggregate further API servers), kube-controller-manager, kube-scheduler, and
// kwok, which simulates nodes and pods.
//
// Everything that a cluster needs lies in one state folder, and everything that
// runs is written down there, so that another process can find, repair and stop
// it. Clusters do not know of each other.
//
// A test starts a cluster like this:
//
//	c, err := cluster.Start(ctx, cluster.Options{})
//	if err != nil { ... }
//	defer c.Stop(context.Background())
//	client := kubernetes.NewForConfigOrDie(c.RESTConfig())
package cluster
