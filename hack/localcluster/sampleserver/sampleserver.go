// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package sampleserver runs k8s.io/sample-apiserver, the aggregated API server
// that Kubernetes shows the way with, beside a local cluster and on its etcd, so
// that others can be compared with it.
package sampleserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"oaas.io/oaas/hack/internal/await"
	"oaas.io/oaas/hack/internal/manifests"
	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	// Group, Version and Resource are those of its flunders.
	Group    = "wardle.example.com"
	Version  = "v1alpha1"
	Resource = "flunders"
	// Kind of its flunders.
	Kind = "Flunder"

	name         = string(binaries.SampleAPIServer)
	namespace    = metav1.NamespaceDefault
	readyTimeout = time.Minute
)

// Server is a running server.
type Server struct {
	cluster *cluster.Cluster
	starter *process.Starter
	path    string
	port    int

	identity process.Identity
}

// Start runs the server, which is built first if need be, registers it and
// returns when kube-apiserver passes requests on to it. It ends with this process
// and with the cluster.
func Start(ctx context.Context, c *cluster.Cluster, p progress.Reporter) (*Server, error) {
	p = progress.OrDiscard(p)
	set, err := binaries.Ensure(ctx, binaries.Options{Progress: p}, binaries.SampleAPIServer)
	if err != nil {
		return nil, fmt.Errorf("getting %s: %w", name, err)
	}
	end := p.Begin("starting " + name)
	s := &Server{cluster: c, starter: process.NewStarter(false), path: set.Path(binaries.SampleAPIServer)}
	err = s.start(ctx)
	end(err)
	if err != nil {
		return nil, errors.Join(err, s.Kill(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.issue(); err != nil {
		return err
	}
	var err error
	if s.port, err = cluster.FreePort("127.0.0.1"); err != nil {
		return err
	}
	if err := errors.Join(s.Run(), s.register(ctx)); err != nil {
		return err
	}
	return s.Wait(ctx)
}

// issue writes the server's certificate and its identity, an administrator's: what
// it may do towards kube-apiserver is not what it is run for.
func (s *Server) issue() error {
	if err := os.MkdirAll(s.file(""), 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", name, err)
	}
	return errors.Join(
		s.cluster.WriteKubeconfig(s.file("kubeconfig"), name, "system:masters"),
		s.cluster.IssueServingCert(s.file("serving.crt"), s.file("serving.key"), name+"."+namespace+".svc", "localhost", "127.0.0.1"),
	)
}

// Run starts the server after Kill, on the port that it had.
func (s *Server) Run() error {
	etcd := s.cluster.EtcdTLS()
	kubeconfig := s.file("kubeconfig")
	child, err := s.starter.Start(process.Command{
		Path: s.path,
		Args: []string{
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(s.port),
			"--tls-cert-file=" + s.file("serving.crt"),
			"--tls-private-key-file=" + s.file("serving.key"),
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--etcd-servers=" + s.cluster.EtcdEndpoint(),
			"--etcd-cafile=" + etcd.CA,
			"--etcd-certfile=" + etcd.Cert,
			"--etcd-keyfile=" + etcd.Key,
		},
		Env: s.cluster.Environment(),
		Log: s.logPath(),
	})
	if err != nil {
		return err
	}
	s.identity = child.Identity
	return nil
}

// Kill ends the server at once, without any notice to it.
func (s *Server) Kill(ctx context.Context) error {
	if err := process.Kill(ctx, s.identity); err != nil {
		return fmt.Errorf("ending %s: %w", name, err)
	}
	return nil
}

// Wait returns when kube-apiserver passes requests on to the server.
func (s *Server) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	config := s.cluster.RESTConfig()
	// The example includes a deprecated version, whose warning tells nobody anything.
	config.WarningHandler = rest.NoWarnings{}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	err = await.Until(ctx, name, func(ctx context.Context) error {
		if !s.identity.Running() {
			return errors.New("it stopped")
		}
		return client.RESTClient().Get().AbsPath("/apis", Group, Version, "namespaces", namespace, Resource).Do(ctx).Error()
	})
	if err != nil {
		return fmt.Errorf("%w; the end of %s:\n%s", err, s.logPath(), cluster.LogTail(s.logPath()))
	}
	return nil
}

// PID is the server's process id.
func (s *Server) PID() int { return s.identity.PID }

// Address is the host and port that the server serves HTTPS on, with a
// certificate of the cluster's authority.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *Server) file(base string) string { return filepath.Join(s.cluster.Dir(), name, base) }
func (s *Server) logPath() string         { return filepath.Join(s.cluster.Dir(), "logs", name+".log") }

// register has kube-apiserver pass requests on. A Service of type ExternalName
// leads it to a process on the same machine.
func (s *Server) register(ctx context.Context) error {
	ca, err := os.ReadFile(s.cluster.CAPath())
	if err != nil {
		return fmt.Errorf("reading the cluster's certificate authority: %w", err)
	}
	client, err := manifests.NewClient(s.cluster.RESTConfig(), "oaas-localcluster")
	if err != nil {
		return err
	}
	port := int32(s.port) // a TCP port
	return client.Apply(ctx,
		&corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost", Ports: []corev1.ServicePort{{Port: port}}},
		},
		&apiregistrationv1.APIService{
			TypeMeta:   metav1.TypeMeta{APIVersion: apiregistrationv1.SchemeGroupVersion.String(), Kind: "APIService"},
			ObjectMeta: metav1.ObjectMeta{Name: Version + "." + Group},
			Spec: apiregistrationv1.APIServiceSpec{
				Group: Group, Version: Version, GroupPriorityMinimum: 1000, VersionPriority: 15, CABundle: ca,
				Service: &apiregistrationv1.ServiceReference{Namespace: namespace, Name: name, Port: &port},
			},
		},
	)
}
