// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/crm/config"
)

const (
	// packageManagerGRPCPort is the port of the Service.
	packageManagerGRPCPort = "8090"
	trustVolume            = "package-manager"
	trustFolder            = "/etc/oaas-crm/package-manager"
	// trustConfigMap has, on a member, the authorities of the Package Manager's
	// serving certificate.
	trustConfigMap = "oaas-package-manager-authorities"
)

// reportHere lets the Class Runtime Manager report to the Package Manager of its
// own cluster. The Secret is made by the Package Manager; of what it holds, the pod
// gets the certificates of the authorities alone, and as soon as they are there.
func reportHere(template *corev1.PodTemplateSpec, cluster string) {
	report(template, cluster, serviceHost(packageManager)+":"+packageManagerGRPCPort, corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{
			SecretName: registration.SecretName, Optional: new(true),
			Items: []corev1.KeyToPath{{Key: registration.CertificatesKey, Path: clientCAKey}},
		},
	})
}

// reportToHub lets a member's Class Runtime Manager report to the Package Manager of
// another cluster, wherever the endpoint is: the server has the name of its Service.
func reportToHub(template *corev1.PodTemplateSpec, cluster, endpoint string) {
	report(template, cluster, endpoint, corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: trustConfigMap}},
	})
}

func report(template *corev1.PodTemplateSpec, cluster, endpoint string, trust corev1.VolumeSource) {
	container := &template.Spec.Containers[0]
	container.Env = append(container.Env,
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_ENDPOINT", Value: endpoint},
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_CLUSTER", Value: cluster},
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_SERVER_NAME", Value: serviceHost(packageManager)},
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_CA_FILE", Value: path.Join(trustFolder, clientCAKey)},
	)
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: trustVolume, MountPath: trustFolder, ReadOnly: true})
	template.Spec.Volumes = append(template.Spec.Volumes, corev1.Volume{Name: trustVolume, VolumeSource: trust})
}

// trustedByMember is what a member checks the Package Manager's serving certificate
// by.
func trustedByMember(authorities []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: trustConfigMap, Labels: map[string]string{"app.kubernetes.io/part-of": "oaas"}},
		Data:       map[string]string{clientCAKey: string(authorities)},
	}
}
