// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

const (
	fieldManager   = "oaas-localcluster"
	clientSecret   = "oaas-package-manager" //nolint:gosec // a name
	apiServiceName = "v1alpha1." + pmv1alpha1.GroupName
)

// install puts on the clusters what an installation's manifests would, and
// writes the programs' credentials.
func (p *Platform) install(ctx context.Context) error {
	for _, program := range p.programs {
		if err := p.issue(program); err != nil {
			return err
		}
	}
	if err := applyFolders(ctx, p.options.Hub, "namespace", "apiserver"); err != nil {
		return err
	}
	for _, member := range p.options.Members {
		if err := applyFolders(ctx, member, "namespace", "crm"); err != nil {
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

// applyAPIService registers the Package Manager. A Service of type ExternalName
// leads kube-apiserver to a process on the same machine.
func (p *Platform) applyAPIService(ctx context.Context) error {
	ca, err := os.ReadFile(p.options.Hub.CAPath())
	if err != nil {
		return fmt.Errorf("reading the cluster's certificate authority: %w", err)
	}
	port := int32(p.programs[PackageManager].ports[servePort]) //nolint:gosec // a TCP port
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: serviceName},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost", Ports: []corev1.ServicePort{{Port: port}}},
	}
	registration := &apiregistrationv1.APIService{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiregistrationv1.SchemeGroupVersion.String(), Kind: "APIService"},
		ObjectMeta: metav1.ObjectMeta{Name: apiServiceName},
		Spec: apiregistrationv1.APIServiceSpec{
			Group:                pmv1alpha1.GroupName,
			Version:              pmv1alpha1.SchemeGroupVersion.Version,
			GroupPriorityMinimum: 2000,
			VersionPriority:      15,
			CABundle:             ca,
			Service:              &apiregistrationv1.ServiceReference{Namespace: Namespace, Name: serviceName, Port: &port},
		},
	}
	return apply(ctx, p.options.Hub, service, registration)
}

// waitAPIService returns when kube-apiserver passes requests on.
func (p *Platform) waitAPIService(ctx context.Context) error {
	client, err := aggregator.NewForConfig(p.options.Hub.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client of the aggregation layer: %w", err)
	}
	return poll(ctx, "the aggregated API "+apiServiceName, func(ctx context.Context) error {
		registration, err := client.ApiregistrationV1().APIServices().Get(ctx, apiServiceName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading the registration: %w", err)
		}
		for _, condition := range registration.Status.Conditions {
			if condition.Type == apiregistrationv1.Available && condition.Status == apiregistrationv1.ConditionTrue {
				return discoverable(client.Discovery())
			} else if condition.Type == apiregistrationv1.Available {
				return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
			}
		}
		return errors.New("kube-apiserver has not looked at it yet")
	})
}

// discoverable says whether clients find our resources: kube-apiserver publishes
// them a moment after it passes requests on.
func discoverable(client discovery.DiscoveryInterface) error {
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		return fmt.Errorf("discovering the cluster's API: %w", err)
	}
	for _, group := range groups {
		if group.Group.Name == pmv1alpha1.GroupName && len(group.VersionedResources[pmv1alpha1.SchemeGroupVersion.Version]) > 0 {
			return nil
		}
	}
	return fmt.Errorf("kube-apiserver does not list the resources of %s yet", pmv1alpha1.GroupName)
}

// register makes a Cluster for each member and waits until the Package Manager
// finds them ready.
func (p *Platform) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client, err := versioned.NewForConfig(p.options.Hub.RESTConfig())
	if err != nil {
		return fmt.Errorf("making a client of %s: %w", pmv1alpha1.GroupName, err)
	}
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
		err := poll(ctx, "cluster "+member.Name(), func(ctx context.Context) error {
			found, err := client.PmV1alpha1().Clusters().Get(ctx, member.Name(), metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("reading the cluster: %w", err)
			}
			if condition := apimeta.FindStatusCondition(found.Status.Conditions, pmv1alpha1.ClusterReady); condition == nil {
				return errors.New("the Package Manager has not looked at it yet")
			} else if condition.Status != metav1.ConditionTrue {
				return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func poll(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w)", what, err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// applyFolders applies manifests of an installation, but for what runs a program
// in the cluster: here it runs beside it.
func applyFolders(ctx context.Context, c *cluster.Cluster, folders ...string) error {
	root, err := binaries.RepositoryRoot()
	if err != nil {
		return err
	}
	var objects []runtime.Object
	for _, folder := range folders {
		folder = filepath.Join(root, "artifacts", "kustomize", folder)
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return fmt.Errorf("listing %s: %w", folder, err)
		}
		if len(files) == 0 {
			return fmt.Errorf("%s holds no manifests", folder)
		}
		for _, file := range files {
			found, err := readManifests(file)
			if err != nil {
				return err
			}
			objects = append(objects, found...)
		}
	}
	return apply(ctx, c, objects...)
}

func readManifests(file string) ([]runtime.Object, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4<<10)
	var objects []runtime.Object
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests from %s: %w", file, err)
		}
		switch object.GetKind() {
		case "", "Kustomization", "Deployment", "StatefulSet", "Service", "APIService", "PodDisruptionBudget":
		default:
			objects = append(objects, &object)
		}
	}
}

// apply applies objects server-side, namespaces first.
func apply(ctx context.Context, c *cluster.Cluster, objects ...runtime.Object) error {
	config := c.RESTConfig()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	groups, err := restmapper.GetAPIGroupResources(kube.Discovery())
	if err != nil {
		return fmt.Errorf("discovering the cluster's API: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	namespaces, others := []*unstructured.Unstructured{}, []*unstructured.Unstructured{}
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("encoding an object: %w", err)
		}
		delete(content, "status")
		one := &unstructured.Unstructured{Object: content}
		if one.GetKind() == "Namespace" {
			namespaces = append(namespaces, one)
		} else {
			others = append(others, one)
		}
	}
	for _, object := range append(namespaces, others...) {
		if err := applyOne(ctx, client, mapper, object); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func applyOne(ctx context.Context, client dynamic.Interface, mapper apimeta.RESTMapper, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: kind.Group, Kind: kind.Kind}, kind.Version)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
	if mapping.Scope.Name() == apimeta.RESTScopeNameNamespace {
		resource = client.Resource(mapping.Resource).Namespace(object.GetNamespace())
	}
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	return err
}
