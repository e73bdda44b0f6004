// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"errors"
	"fmt"
	"time"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/image"
	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	// LabelKey and LabelValue select the real node among simulated ones.
	LabelKey   = "oaas.io/node"
	LabelValue = "real"
	// DefaultStartTimeout is enough for a busy machine; a quiet one needs about
	// ten seconds.
	DefaultStartTimeout = 2 * time.Minute

	pollEvery = 100 * time.Millisecond
)

// Names of the programs of a node.
const (
	containerd = "containerd"
	kubelet    = "kubelet"
	kubeProxy  = "kube-proxy"
)

func programs() []string { return []string{containerd, kubelet, kubeProxy} }

// Options of Start.
type Options struct {
	// Cluster to join. It must be bound to the address that Prepare returned,
	// and advertise it.
	Cluster *cluster.Cluster
	// Name of the node. Default: the cluster's name followed by "-real".
	Name string
	// Images to make available to pods beside those that the node itself needs.
	Images []image.Archive
	// NoDNS leaves out the DNS server, whose first build takes minutes. Services
	// are then reached by their IP address only.
	NoDNS bool
	// Detached programs outlive this process. Others are killed when it ends;
	// pods then go on until Leave or the next Start.
	Detached bool
	// Progress hears of builds and other steps. Default: silence.
	Progress progress.Reporter
	// StartTimeout bounds the time from the presence of all programs and images
	// to a ready node. Default: DefaultStartTimeout.
	StartTimeout time.Duration
}

func (o Options) complete() (Options, error) {
	if o.Cluster == nil || o.Cluster.RESTConfig() == nil {
		return o, errors.New("a real node needs a cluster that is up: start it first")
	}
	if o.Name == "" {
		o.Name = o.Cluster.Name() + "-real"
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	if o.StartTimeout < 0 {
		return o, fmt.Errorf("StartTimeout %s is negative: leave it 0 for %s", o.StartTimeout, DefaultStartTimeout)
	}
	o.Progress = progress.OrDiscard(o.Progress)
	return o, nil
}
