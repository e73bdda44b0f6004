// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"oaas.io/oaas/hack/internal/await"
	"oaas.io/oaas/hack/internal/manifests"
	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

const (
	fieldManager = "oaas-localcluster"
	clientSecret = "oaas-package-manager"
)

// install puts on the clusters what an installation's manifests would, and
// writes the programs' credentials.
func (p *Platform) install(ctx context.Context) error {
	for _, program := range p.programs {
		if err := p.issue(program); err != nil {
			return err
		}
	}
	if err := applyManifests(ctx, p.options.Hub, manifests.Hub); err != nil {
		return err
	}
	for _, member := range p.options.Members {
		if member == p.options.Hub {
			continue
		}
		if err := applyManifests(ctx, member, manifests.Member); err != nil {
			return err
		}
	}
	return errors.Join(p.applyClientSecret(ctx), p.applyAPIService(ctx))
}

// applyClientSecret stores the certificate by which Class Runtime Managers know
// the Package Manager.
func (p *Platform) applyClientSecret(ctx context.Context) error {
	self := p.programs[PackageManager]
	cert, key := self.file("client.crt"), self.file("client.key")
	err := unlessPresent(key, func() error {
		return p.options.Hub.IssueClientCert(cert, key, packageManagerName)
	})
	if err != nil {
		return err
	}
	certPEM, certErr := os.ReadFile(cert)
	keyPEM, keyErr := os.ReadFile(key)
	if err := errors.Join(certErr, keyErr); err != nil {
		return fmt.Errorf("reading the Package Manager's client certificate: %w", err)
	}
	return apply(ctx, p.options.Hub, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: clientSecret},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: certPEM, corev1.TLSPrivateKeyKey: keyPEM},
	})
}

// applyAPIService registers the Package Manager, which fills in by what authority
// it is known. A Service of type ExternalName leads kube-apiserver to a process on
// the same machine.
func (p *Platform) applyAPIService(ctx context.Context) error {
	port := int32(p.programs[PackageManager].ports[servePort]) // a TCP port
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: serviceName},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost", Ports: []corev1.ServicePort{{Port: port}}},
	}
	registration := &apiregistrationv1.APIService{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiregistrationv1.SchemeGroupVersion.String(), Kind: "APIService"},
		ObjectMeta: metav1.ObjectMeta{Name: await.APIServiceName},
		Spec: apiregistrationv1.APIServiceSpec{
			Group:                pmv1alpha1.GroupName,
			Version:              pmv1alpha1.SchemeGroupVersion.Version,
			GroupPriorityMinimum: 2000,
			VersionPriority:      15,
			Service:              &apiregistrationv1.ServiceReference{Namespace: Namespace, Name: serviceName, Port: &port},
		},
	}
	return apply(ctx, p.options.Hub, service, registration)
}

// register makes a Cluster for each member and waits until the Package Manager
// finds them ready.
func (p *Platform) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for i, member := range p.options.Members {
		ca, err := os.ReadFile(member.CAPath())
		if err != nil {
			return fmt.Errorf("reading the certificate authority of %s: %w", member.Name(), err)
		}
		object := &pmv1alpha1.Cluster{
			TypeMeta:   metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "Cluster"},
			ObjectMeta: metav1.ObjectMeta{Name: member.Name()},
			Spec: pmv1alpha1.ClusterSpec{
				Endpoint: p.programs[RuntimeManager(member.Name())].address(servePort),
				Region:   "local",
				TLS:      &pmv1alpha1.ClusterTLS{CABundle: ca},
				Auth: &pmv1alpha1.ClusterAuth{
					Type:      pmv1alpha1.ClusterAuthCertificate,
					SecretRef: &pmv1alpha1.SecretReference{Namespace: Namespace, Name: clientSecret},
				},
				Default: i == 0,
			},
		}
		if err := apply(ctx, p.options.Hub, object); err != nil {
			return err
		}
	}
	for _, member := range p.options.Members {
		if err := await.Cluster(ctx, p.options.Hub.RESTConfig(), member.Name()); err != nil {
			return err
		}
	}
	return nil
}

// applyManifests applies what an installation would, but for what runs a program
// in the cluster: here it runs beside it.
func applyManifests(ctx context.Context, c *cluster.Cluster, folder string) error {
	root, err := binaries.RepositoryRoot()
	if err != nil {
		return err
	}
	rendered, err := manifests.Render(root, folder)
	if err != nil {
		return err
	}
	var objects []runtime.Object
	for _, object := range rendered {
		switch object.GetKind() {
		case "Deployment", "StatefulSet", "Service", "APIService", "PodDisruptionBudget":
		default:
			objects = append(objects, object)
		}
	}
	return apply(ctx, c, objects...)
}

func apply(ctx context.Context, c *cluster.Cluster, objects ...runtime.Object) error {
	client, err := manifests.NewClient(c.RESTConfig(), fieldManager)
	if err != nil {
		return err
	}
	return client.Apply(ctx, objects...)
}
