// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/internal/process"
)

// Cluster is a cluster that was started, by this process or another.
type Cluster struct {
	layout layout
	clock  clock.PassiveClock
	// admin is the configuration of the administrator; nil until the kubeconfig
	// exists.
	admin      *rest.Config
	wasRunning bool

	mu       sync.Mutex
	state    state
	children map[int]*process.Child // by process id, those of this process
	starter  *process.Starter
}

// TLSFiles are the paths of a client's TLS files, all PEM.
type TLSFiles struct{ CA, Cert, Key string }

// Attach returns the cluster whose state is in dir, running or not. The error
// is ErrNotFound if there is none.
func Attach(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding a cluster's folder: %w", err)
	}
	s, err := loadState(layout(dir))
	if err != nil {
		return nil, err
	}
	c := newCluster(layout(dir), s, clock.RealClock{})
	// Without a kubeconfig the cluster was never up; it can still be stopped.
	c.admin, _ = clientcmd.BuildConfigFromFlags("", c.layout.kubeconfig())
	return c, nil
}

func newCluster(l layout, s state, c clock.PassiveClock) *Cluster {
	return &Cluster{layout: l, state: s, clock: c, children: map[int]*process.Child{}}
}

// Name returns the cluster's name.
func (c *Cluster) Name() string { return c.snapshot().Name }

// Dir returns the state folder.
func (c *Cluster) Dir() string { return string(c.layout) }

// WasRunning says that Start found the cluster ready and changed nothing.
func (c *Cluster) WasRunning() bool { return c.wasRunning }

// KubeconfigPath returns the path of the administrator's kubeconfig.
func (c *Cluster) KubeconfigPath() string { return c.layout.kubeconfig() }

// RESTConfig returns a new client configuration of the administrator, without a
// limit on the client's side. It is nil for a cluster that never got up.
func (c *Cluster) RESTConfig() *rest.Config {
	if c.admin == nil {
		return nil
	}
	config := rest.CopyConfig(c.admin)
	config.QPS = -1
	return config
}

// CAPath returns the path of the authority that signs serving and client
// certificates.
func (c *Cluster) CAPath() string { return c.layout.cert(clusterCA) }

// EtcdEndpoint returns the URL of etcd. The API server keeps its objects under
// the prefix /registry; a server that shares etcd takes another.
func (c *Cluster) EtcdEndpoint() string { return httpsURL(loopback, c.snapshot().EtcdPort) }

// EtcdTLS returns the files that etcd accepts a client with.
func (c *Cluster) EtcdTLS() TLSFiles {
	return TLSFiles{CA: c.layout.cert(etcdCA), Cert: c.layout.cert(etcdClient), Key: c.layout.key(etcdClient)}
}

// Programs returns the process ids of the programs that run now, by name.
func (c *Cluster) Programs() map[string]int {
	running := map[string]int{}
	for name, id := range c.snapshot().Processes {
		if id.Running() {
			running[string(name)] = id.PID
		}
	}
	return running
}

// server returns the URL of the API server.
func (c *Cluster) server() string {
	s := c.snapshot()
	host := s.BindAddress
	if host == "0.0.0.0" || host == "::" {
		host = loopback
	}
	return httpsURL(host, s.APIServerPort)
}

func (c *Cluster) snapshot() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.clone()
}

// update changes the state and stores it, so that no process that was started
// is ever unknown to others.
func (c *Cluster) update(change func(*state)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.state)
	return c.state.save(c.layout)
}

// Exists says whether dir is the state folder of a cluster, running or not.
func Exists(dir string) bool {
	_, err := os.Stat(layout(dir).state())
	return err == nil
}
