// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import "path/filepath"

const (
	// runDir holds the state and sockets. It is not in the cluster's folder
	// because the path of a socket must be shorter than 108 bytes, and because
	// the node must be found after that folder was deleted. Like all processes,
	// it does not survive a reboot.
	runDir = "/run/oaas-node"
	// bridge is the network interface that pods hang on.
	bridge = "oaas0"
	// cgroupName is the control group of all pods.
	cgroupName = "oaas-node"
	// environmentMarker tells in the environment of a process that it belongs to
	// a node; containerd hands it on to its shims.
	environmentMarker = "OAAS_REAL_NODE"
	markerValue       = "true"
)

func statePath() string        { return filepath.Join(runDir, "node.json") }
func containerdSocket() string { return filepath.Join(runDir, "containerd.sock") }

// files is the folder of a node in its cluster's state folder.
type files string

func filesOf(clusterDir string) files { return files(filepath.Join(clusterDir, "node")) }

func (f files) path(elements ...string) string {
	return filepath.Join(append([]string{string(f)}, elements...)...)
}
func (f files) log(program string) string        { return f.path("logs", program+".log") }
func (f files) kubeconfig(program string) string { return f.path(program + ".kubeconfig") }
func (f files) config(program string) string     { return f.path(program + ".conf") }
func (f files) cniConfig() string                { return f.path("cni") }
func (f files) servingCert() string              { return f.path("kubelet.crt") }
func (f files) servingKey() string               { return f.path("kubelet.key") }
