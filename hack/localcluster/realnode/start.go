// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/image"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// stopTimeout bounds the cleaning up after a failed start.
const stopTimeout = 30 * time.Second

// Start makes this machine a node of the cluster and returns when the node
// takes pods. A node that is up already only gets the images; one that is half
// up, or belongs to a cluster that is gone, is made anew. ctx bounds the start,
// not the life of the node. After a failure nothing runs; the logs and the
// network are there until Leave.
func Start(ctx context.Context, o Options) (*Node, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := Preflight(); err != nil {
		return nil, err
	}
	set, err := binaries.Ensure(ctx, binaries.Options{Progress: o.Progress}, binaries.Kubelet, binaries.KubeProxy)
	if err != nil {
		return nil, fmt.Errorf("getting the programs of the real node: %w", err)
	}
	sources := []image.Source{image.Pause()}
	if !o.NoDNS {
		sources = append(sources, image.CoreDNS())
	}
	own, err := image.Build(ctx, image.Options{Progress: o.Progress}, sources...)
	if err != nil {
		return nil, fmt.Errorf("getting the images of the real node: %w", err)
	}
	lock, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	end := o.Progress.Begin("starting the real node of cluster " + o.Cluster.Name())
	n, err := startLocked(ctx, o, set, append(own, o.Images...))
	end(err)
	if err := errors.Join(err, lock.Release()); err != nil {
		return nil, fmt.Errorf("starting the real node: %w", err)
	}
	return n, nil
}

func startLocked(ctx context.Context, o Options, set *binaries.Set, images []image.Archive) (*Node, error) {
	s, err := loadState()
	if err != nil {
		return nil, err
	}
	if err := s.refuseOther(o.Cluster.Dir()); err != nil {
		return nil, err
	}
	gateway, err := bridgeSubnet()
	if err != nil {
		return nil, fmt.Errorf("%w: call Prepare before the cluster starts", err)
	}
	client, err := kubernetes.NewForConfig(o.Cluster.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	st := &start{
		Options: o, files: filesOf(o.Cluster.Dir()), set: set, images: images, gateway: gateway, client: client, state: s,
		node: &Node{name: o.Name, address: gateway.Addr().String(), clusterDir: o.Cluster.Dir(), admin: o.Cluster.RESTConfig()},
	}
	if o.Cluster.WasRunning() && s.Server == o.Cluster.RESTConfig().Host && s.Node == o.Name && s.running(programs()...) {
		st.node.wasRunning = true
		return st.node, errors.Join(st.importImages(ctx), st.ready(ctx))
	}
	if err := st.run(ctx); err != nil {
		// The context may be what ended the start.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, st.abandon(cleanup))
	}
	return st.node, nil
}

// start is one attempt to bring the node up.
type start struct {
	Options

	files   files
	set     *binaries.Set
	images  []image.Archive
	gateway netip.Prefix
	client  kubernetes.Interface
	state   state
	node    *Node
}

func (s *start) run(ctx context.Context) error {
	if err := s.clear(ctx); err != nil {
		return err
	}
	if err := s.claim(); err != nil {
		return err
	}
	s.node.starter = process.NewStarter(s.Detached)
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return makeCgroup() },
		func(ctx context.Context) error { return allowPods(ctx, s.gateway) },
		s.configure,
		s.startContainerd,
		func(context.Context) error { return s.startKubelet() },
		func(context.Context) error { return s.startKubeProxy() },
		s.importImages,
		s.startDNS,
		s.ready,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// clear takes away what an earlier node left, except the bridge: the API server
// is bound to its address.
func (s *start) clear(ctx context.Context) error {
	if err := killAll(ctx, s.state); err != nil {
		return err
	}
	return errors.Join(removeRules(ctx), removeCgroup(ctx), os.RemoveAll(string(s.files)))
}

// claim writes down whose the machine is, and what it was like before.
func (s *start) claim() error {
	s.state.ClusterDir, s.state.Cluster, s.state.Node = s.Cluster.Dir(), s.Cluster.Name(), s.Name
	s.state.Server = s.Cluster.RESTConfig().Host
	s.state.Processes = map[string]process.Identity{}
	if s.state.Settings == nil {
		s.state.Settings = readSettings()
	}
	for _, dir := range mountPoints() {
		s.state.Folders = append(s.state.Folders, missingFolders(dir)...)
	}
	if err := s.state.save(); err != nil {
		return err
	}
	for _, dir := range mountPoints() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a folder of containerd: %w", err)
		}
	}
	return nil
}

// mountPoints are folders whose paths containerd and kubelet have built in.
// Each gets an empty one instead, which others cannot see.
func mountPoints() []string {
	return []string{"/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers"}
}

// missingFolders returns those on the way to dir that do not exist, outermost
// first.
func missingFolders(dir string) []string {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return append(missingFolders(filepath.Dir(dir)), dir)
}

func (s *start) configure(context.Context) error {
	plugins, err := pluginDir()
	if err != nil {
		return err
	}
	for _, dir := range []string{"logs", "cni", "pod-logs"} {
		if err := os.MkdirAll(s.files.path(dir), 0o700); err != nil {
			return fmt.Errorf("making the node's folder: %w", err)
		}
	}
	cni, err := cniConfig(s.files, s.gateway)
	if err != nil {
		return fmt.Errorf("encoding the configuration of the network: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(s.files.cniConfig(), "10-oaas.conflist"), cni),
		writeFile(s.files.config(containerd), containerdConfig(s.files, snapshotter(string(s.files)), plugins, image.Pause().Reference)),
		s.Cluster.IssueServingCert(s.files.servingCert(), s.files.servingKey(), s.Name, s.node.address),
		s.Cluster.WriteKubeconfig(s.files.kubeconfig(kubelet), "system:node:"+s.Name, "system:nodes"),
		s.Cluster.WriteKubeconfig(s.files.kubeconfig(kubeProxy), "system:kube-proxy"),
	)
}

func (s *start) startContainerd(ctx context.Context) error {
	unshare, err := lookPath("unshare")
	if err != nil {
		return err
	}
	path, err := lookPath(containerd)
	if err != nil {
		return err
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, dir := range mountPoints() {
		fmt.Fprintf(&script, "mount -n -t tmpfs -o mode=755 tmpfs %s\n", dir)
	}
	script.WriteString(`exec "$@"`)
	// Neither unshare nor the shell start a process of their own for containerd:
	// the process id stays the same.
	err = s.launch(containerd, unshare, "--mount", "--propagation", "private", "sh", "-c", script.String(), "sh",
		path, "--config", s.files.config(containerd))
	if err != nil {
		return err
	}
	return s.wait(ctx, "containerd to answer", func(ctx context.Context) error {
		_, err := ctr(ctx, "version")
		return err
	})
}

func (s *start) startKubelet() error {
	nsenter, err := lookPath("nsenter")
	if err != nil {
		return err
	}
	port, err := freePort(s.node.address)
	if err != nil {
		return err
	}
	config, err := kubeletConfig(s.files, s.node.address, s.Cluster.CAPath(), resolvConf(), port, !s.NoDNS)
	if err != nil {
		return err
	}
	if err := writeFile(s.files.config(kubelet), config); err != nil {
		return err
	}
	// containerd must see the volumes that kubelet mounts.
	namespace := fmt.Sprintf("--mount=/proc/%d/ns/mnt", s.state.Processes[containerd].PID)
	return s.launch(kubelet, nsenter, namespace, s.set.Path(binaries.Kubelet),
		"--config="+s.files.config(kubelet),
		"--kubeconfig="+s.files.kubeconfig(kubelet),
		"--root-dir="+s.files.path("kubelet"),
		"--cert-dir="+s.files.path("kubelet-certificates"),
		"--hostname-override="+s.Name,
		"--node-ip="+s.node.address,
		"--node-labels="+LabelKey+"="+LabelValue,
	)
}

func (s *start) startKubeProxy() error {
	const host = "127.0.0.1"
	health, err := freePort(host)
	if err != nil {
		return err
	}
	metrics, err := freePort(host)
	if err != nil {
		return err
	}
	config, err := kubeProxyConfig(s.files, s.Name, s.gateway, health, metrics)
	if err != nil {
		return err
	}
	if err := writeFile(s.files.config(kubeProxy), config); err != nil {
		return err
	}
	return s.launch(kubeProxy, s.set.Path(binaries.KubeProxy), "--config="+s.files.config(kubeProxy))
}

// launch starts one program and writes it down.
func (s *start) launch(program, path string, args ...string) error {
	child, err := s.node.starter.Start(process.Command{
		Path: path,
		Args: args,
		Env:  []string{environmentMarker + "=" + markerValue, "PATH=" + searchPath()},
		Log:  s.files.log(program),
	})
	if err != nil {
		return err
	}
	s.node.children = append(s.node.children, child)
	s.state.Processes[program] = child.Identity
	return s.state.save()
}

// abandon clears away a failed start, but keeps the logs.
func (s *start) abandon(ctx context.Context) error {
	err := s.clearKeepingLogs(ctx)
	for _, child := range s.node.children {
		<-child.Exited()
	}
	if s.node.starter != nil {
		s.node.starter.Close()
	}
	return err
}

func (s *start) clearKeepingLogs(ctx context.Context) error {
	return errors.Join(killAll(ctx, s.state), removeRules(ctx), removeCgroup(ctx), restoreSettings(s.state.Settings))
}

// resolvConf names the file with this machine's real name servers: a resolver
// on a loopback address is not there inside of a pod.
func resolvConf() string {
	const systemd = "/run/systemd/resolve/resolv.conf"
	if _, err := os.Stat(systemd); err == nil {
		return systemd
	}
	const usual = "/etc/resolv.conf"
	if _, err := os.Stat(usual); err == nil {
		return usual
	}
	return ""
}

// freePort returns a port below those that the kernel hands out, so that no
// connection takes it before the program does.
func freePort(host string) (int, error) {
	const first, last, attempts = 20000, 32000, 100
	for range attempts {
		port := first + rand.IntN(last-first+1)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))) //nolint:noctx // returns at once
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free TCP port on %s: %d ports between %d and %d were tried", host, attempts, first, last)
}
