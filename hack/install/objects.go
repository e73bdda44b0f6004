// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Names in the manifests.
const (
	namespace      = "oaas-system"
	packageManager = "oaas-apiserver"
	runtimeManager = "oaas-crm"
	// runtimeManagerPort is the port of the Service.
	runtimeManagerPort = "8081"
	dataVolume         = "data"
)

// parts are the rendered objects, by when they are applied.
type parts struct {
	// namespaces come first, so that Secrets can be made before pods want them.
	namespaces []*unstructured.Unstructured
	others     []*unstructured.Unstructured
	// registrations come last: one that nobody answers for keeps every namespace
	// of the cluster from being deleted.
	registrations []*unstructured.Unstructured
}

func split(objects []*unstructured.Unstructured) parts {
	var p parts
	for _, object := range objects {
		switch object.GetKind() {
		case "Namespace":
			p.namespaces = append(p.namespaces, object)
		case "APIService":
			p.registrations = append(p.registrations, object)
		default:
			p.others = append(p.others, object)
		}
	}
	return p
}

// customise changes the rendered objects to what the options ask for.
func customise(objects []*unstructured.Unstructured, o options) error {
	for _, object := range objects {
		var err error
		switch object.GetKind() {
		case "StatefulSet":
			err = edit(object, func(s *appsv1.StatefulSet) {
				setImage(&s.Spec.Template, o.apiserverImage)
				if o.storage == storageEphemeral {
					s.Spec.VolumeClaimTemplates = nil
					s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, corev1.Volume{
						Name: dataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
					})
				}
			})
		case "Deployment":
			err = edit(object, func(d *appsv1.Deployment) {
				setImage(&d.Spec.Template, o.crmImage)
				if o.prometheusURL != "" {
					usePrometheus(&d.Spec.Template, o.prometheusURL)
				}
				switch {
				case o.member && o.reportEndpoint != "":
					reportToHub(&d.Spec.Template, o.name, o.reportEndpoint)
				case !o.member && o.name != "":
					reportHere(&d.Spec.Template, o.name)
				}
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// edit changes an object in its typed form.
func edit[T any](object *unstructured.Unstructured, change func(*T)) error {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	change(typed)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	object.Object = content
	return nil
}

func setImage(template *corev1.PodTemplateSpec, image string) {
	if image != "" {
		template.Spec.Containers[0].Image = image
	}
}

// clusterObject tells the Package Manager how to reach a cluster whose servers
// have certificates by the given authority.
func clusterObject(o options, authority []byte) *pmv1alpha1.Cluster {
	endpoint := o.endpoint
	if !o.member {
		endpoint = serviceHost(runtimeManager) + ":" + runtimeManagerPort
	}
	return &pmv1alpha1.Cluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "Cluster"},
		ObjectMeta: metav1.ObjectMeta{Name: o.name},
		Spec: pmv1alpha1.ClusterSpec{
			Endpoint:     endpoint,
			Environments: o.environments,
			// Wherever the endpoint is, the server has the name of its Service.
			TLS: &pmv1alpha1.ClusterTLS{CABundle: authority, ServerName: serviceHost(runtimeManager)},
			Auth: &pmv1alpha1.ClusterAuth{
				Type:      pmv1alpha1.ClusterAuthCertificate,
				SecretRef: &pmv1alpha1.SecretReference{Namespace: namespace, Name: clientSecret},
			},
			Default: !o.member,
		},
	}
}

func serviceHost(service string) string { return service + "." + namespace + ".svc" }
