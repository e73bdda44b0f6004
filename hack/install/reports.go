// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"

	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/crm/config"
)

const (
	// packageManagerGRPCPort is the port of the Service.
	packageManagerGRPCPort = "8090"
	trustVolume            = "package-manager"
	trustFolder            = "/etc/oaas-crm/package-manager"
)

// reportHere lets the Class Runtime Manager report to the Package Manager of its
// own cluster. The Secret is made by the Package Manager; of what it holds, the pod
// gets the certificates of the authorities alone, and as soon as they are there.
func reportHere(template *corev1.PodTemplateSpec, cluster string) {
	container := &template.Spec.Containers[0]
	container.Env = append(container.Env,
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_ENDPOINT", Value: serviceHost(packageManager) + ":" + packageManagerGRPCPort},
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_CLUSTER", Value: cluster},
		corev1.EnvVar{Name: config.EnvPrefix + "REPORT_CA_FILE", Value: path.Join(trustFolder, clientCAKey)},
	)
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: trustVolume, MountPath: trustFolder, ReadOnly: true})
	template.Spec.Volumes = append(template.Spec.Volumes, corev1.Volume{Name: trustVolume, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{
			SecretName: registration.SecretName, Optional: new(true),
			Items: []corev1.KeyToPath{{Key: registration.CertificatesKey, Path: clientCAKey}},
		},
	}})
}
