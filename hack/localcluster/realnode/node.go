// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/internal/filelock"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// Node is a real node that was started.
type Node struct {
	name       string
	address    string
	clusterDir string
	admin      *rest.Config
	wasRunning bool
	starter    *process.Starter
	children   []*process.Child
}

// Name returns the name of the Node object.
func (n *Node) Name() string { return n.name }

// Address returns the node's IP address, which pods and this machine reach.
func (n *Node) Address() string { return n.address }

// WasRunning says that Start found the node ready and only added images.
func (n *Node) WasRunning() bool { return n.wasRunning }

// Programs returns the process ids of the programs that run now, by name.
func (n *Node) Programs() map[string]int {
	s, err := loadState()
	if err != nil || s.ClusterDir != n.clusterDir {
		return nil
	}
	return s.runningPrograms()
}

// Occupancy says which cluster this machine is the node of.
type Occupancy struct {
	// Cluster and ClusterDir are the name and the state folder of the cluster.
	Cluster, ClusterDir string
	// Node is the name of the Node object.
	Node string
	// Programs are the process ids of the programs that run, by name.
	Programs map[string]int
}

// Occupied returns what this machine is the node of; false if no program of a
// node runs.
func Occupied() (Occupancy, bool, error) {
	s, err := loadState()
	if err != nil || !s.alive() {
		return Occupancy{}, false, err
	}
	return Occupancy{Cluster: s.Cluster, ClusterDir: s.ClusterDir, Node: s.Node, Programs: s.runningPrograms()}, true, nil
}

// Stop ends every pod and program of the node, takes the node out of the
// cluster if that still answers, and removes whatever was made on this machine.
// Stopping twice is no error.
func (n *Node) Stop(ctx context.Context) error {
	n.deregister(ctx)
	err := Leave(ctx, n.clusterDir)
	if err == nil {
		for _, child := range n.children {
			<-child.Exited()
		}
		n.children = nil
		if n.starter != nil {
			n.starter.Close()
			n.starter = nil
		}
	}
	return err
}

// deregister makes the pods of the node vanish too. It does not matter to a
// cluster that goes next, so its failure does not either.
func (n *Node) deregister(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if client, err := kubernetes.NewForConfig(n.admin); err == nil {
		client.CoreV1().Nodes().Delete(ctx, n.name, metav1.DeleteOptions{}) //nolint:errcheck // see above
	}
}

// Has says whether the cluster whose state is in clusterDir has a real node on
// this machine, running or not.
func Has(clusterDir string) (bool, error) {
	if os.Geteuid() != 0 {
		return false, nil // nobody else can have made one
	}
	s, err := loadState()
	return err == nil && s.ClusterDir == clusterDir, err
}

// Leave stops the real node of the cluster whose state is in clusterDir, as
// Node.Stop does, also one that another process started or that is half up. It
// also clears away what is left of any node whose programs have all ended. It is
// no error if there is nothing to stop.
func Leave(ctx context.Context, clusterDir string) error {
	if os.Geteuid() != 0 {
		return nil // Start has refused, too
	}
	if _, err := os.Stat(statePath()); errors.Is(err, os.ErrNotExist) && !bridgeExists() {
		return nil
	}
	lock, err := lock(ctx)
	if err != nil {
		return err
	}
	s, err := loadState()
	if err == nil && (s.ClusterDir == clusterDir || s.abandoned()) {
		err = remove(ctx, s)
	}
	if err := errors.Join(err, lock.Release()); err != nil {
		return fmt.Errorf("stopping the real node: %w", err)
	}
	return nil
}

func lock(ctx context.Context) (*filelock.Lock, error) {
	lock, err := filelock.Acquire(ctx, runDir+".lock", nil)
	if err != nil {
		return nil, fmt.Errorf("waiting for another process that changes the real node: %w", err)
	}
	return lock, nil
}
