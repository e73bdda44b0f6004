// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"path/filepath"

	"oaas.io/oaas/hack/localcluster/binaries"
)

// layout is a state folder; its methods say where everything lies in it.
type layout string

// lock lies beside the folder, because Stop removes the folder while it holds
// the lock.
func (l layout) lock() string { return string(l) + ".lock" }

// state marks the folder as one that Stop may remove.
func (l layout) state() string   { return l.path("cluster.json") }
func (l layout) pki() string     { return l.path("pki") }
func (l layout) logs() string    { return l.path("logs") }
func (l layout) etcdDir() string { return l.path("etcd") }

// kubeconfig is the administrator's.
func (l layout) kubeconfig() string { return l.path("kubeconfig") }
func (l layout) kubeconfigOf(p binaries.Program) string {
	return l.path("pki", string(p)+".kubeconfig")
}
func (l layout) log(p binaries.Program) string { return l.path("logs", string(p)+".log") }
func (l layout) cert(name string) string       { return l.path("pki", name+".crt") }
func (l layout) key(name string) string        { return l.path("pki", name+".key") }
func (l layout) path(elements ...string) string {
	return filepath.Join(append([]string{string(l)}, elements...)...)
}
