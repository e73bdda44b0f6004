// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registration lets the server issue its own serving certificate, which
// kube-apiserver trusts by the caBundle of the server's APIService.
//
// The APIService itself is never made here. Who deletes it takes the API out of
// the cluster, and it stays out.
package registration

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationclient "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/servingcert"
)

const (
	// SecretName is the Secret with the certificate authorities, in the namespace
	// of the Service. Deleting it makes the server use another authority, without
	// an interruption.
	SecretName = "oaas-apiserver-authority"
	// CertificatesKey is where the Secret has the certificates of all authorities
	// that are trusted, PEM, the newest first.
	CertificatesKey = servingcert.CertificatesKey

	fieldManager = "oaas-apiserver"
)

// Config is what a Certificate is made of.
type Config struct {
	// Client reaches the cluster that hosts the server.
	Client kubernetes.Interface
	// Registrations are that cluster's APIServices.
	Registrations apiregistrationclient.APIServiceInterface
	// APIService is the name of the server's own.
	APIService string
	// Namespace and Service are what the APIService leads to.
	Namespace, Service string
	// Fallback is served as long as no certificate could be issued, so that probes
	// and the server's own clients are answered.
	Fallback dynamiccertificates.CertKeyContentProvider
	// Lifetimes of authorities and certificates.
	Lifetimes servingcert.Lifetimes
	// Clock defaults to the real one.
	Clock clock.Clock
}

// Certificate is the serving certificate of one replica, in the form that the
// generic API server takes.
type Certificate struct{ *servingcert.Certificate }

var (
	_ dynamiccertificates.CertKeyContentProvider = Certificate{}
	_ dynamiccertificates.ControllerRunner       = Certificate{}
)

// New returns a certificate that RunOnce and Run, which the server's listener
// calls, issue and renew.
func New(config Config) Certificate {
	return Certificate{servingcert.New(servingcert.Config{
		Client: config.Client, Namespace: config.Namespace, Secret: SecretName, Name: config.Service,
		Hosts: []string{
			config.Service + "." + config.Namespace + ".svc", config.Service + "." + config.Namespace, config.Service,
			// Probes and port-forwards.
			"localhost", "127.0.0.1", "::1",
		},
		Registration: apiService{config},
		FieldManager: fieldManager,
		Fallback:     config.Fallback.CurrentCertKeyContent,
		Lifetimes:    config.Lifetimes,
		Clock:        config.Clock,
	})}
}

// AddListener adds who is told when the certificate changes.
func (c Certificate) AddListener(listener dynamiccertificates.Listener) { c.OnChange(listener.Enqueue) }

// Run keeps the certificate right until ctx ends.
func (c Certificate) Run(ctx context.Context, _ int) { c.Certificate.Run(ctx) }

// apiService is the server's APIService.
type apiService struct{ config Config }

var _ servingcert.Registration = apiService{}

// String implements servingcert.Registration.
func (a apiService) String() string { return "APIService " + a.config.APIService }

// Read implements servingcert.Registration. There is nothing to publish where there
// is no APIService, or one that leads to another server, which has authorities of
// its own.
func (a apiService) Read(ctx context.Context) (*servingcert.Published, error) {
	found, err := a.config.Registrations.Get(ctx, a.config.APIService, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if service := found.Spec.Service; service == nil || service.Namespace != a.config.Namespace || service.Name != a.config.Service {
		return nil, nil
	}
	return &servingcert.Published{
		Authorities: found.Spec.CABundle,
		Wrong:       found.Spec.InsecureSkipTLSVerify,
		Publish: func(ctx context.Context, authorities []byte) error {
			changed := found.DeepCopy()
			changed.Spec.InsecureSkipTLSVerify = false
			changed.Spec.CABundle = authorities
			_, err := a.config.Registrations.Update(ctx, changed, metav1.UpdateOptions{FieldManager: fieldManager})
			return err
		},
	}, nil
}

// Watch implements servingcert.Registration.
func (a apiService) Watch(ctx context.Context, changed func()) {
	servingcert.WatchOne(ctx, &apiregistrationv1.APIService{}, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return a.config.Registrations.List(ctx, servingcert.Named(a.config.APIService, o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return a.config.Registrations.Watch(ctx, servingcert.Named(a.config.APIService, o))
		},
	}, changed)
}
