// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/pods"
)

// ContainerName is the name of a node's container in its pod.
const ContainerName = "odgm"

const (
	// portGRPC and portZenoh are names of the container's ports.
	portGRPC  = "odgm"
	portZenoh = "zenoh"
	// volumeData and volumeConfig are names of volumes, and where they are.
	volumeData   = "odgm-data"
	volumeConfig = "odgm-config"
	pathData     = "/data/collections"
	pathConfig   = "/config"
)

// LabelNode marks the pods that run a node of a grid.
const LabelNode = "oaas.io/odgm-node"

// Timing of probes where the environment leaves it open, in seconds and failures.
const (
	probePeriod    = 10
	probeTimeout   = 1
	probeThreshold = 3
	startupSeconds = 120
	// startupPeriod is short, because functions wait for the first success.
	startupPeriod = 2
)

// sidecar is the node in the pods of a function.
func (g *Grid) sidecar(key string) (*Sidecar, bool) {
	start, ok := g.ranges[key]
	if !ok {
		return nil, false
	}
	container := g.container()
	// An init container that always restarts: it runs as long as the pod, and those
	// after it start once its startup probe succeeds.
	container.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	volumes, claims := g.volumes()
	return &Sidecar{
		Container:    container,
		Volumes:      volumes,
		Claims:       claims,
		OrdinalStart: start,
		PodLabels:    map[string]string{LabelNode: "true"},
		Affinity:     corev1.Affinity{PodAntiAffinity: g.antiAffinity()},
	}, true
}

// container runs a node.
func (g *Grid) container() corev1.Container {
	health := g.in.Environment.ODGM.HealthCheck
	// A connection is what every release answers; the health service, which not every
	// one has, is asked from outside.
	connect := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(portGRPC)}}
	probe := func() *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:     connect,
			PeriodSeconds:    cmp.Or(health.PeriodSeconds, probePeriod),
			TimeoutSeconds:   cmp.Or(health.TimeoutSeconds, probeTimeout),
			FailureThreshold: cmp.Or(health.FailureThreshold, probeThreshold),
		}
	}
	startup := probe()
	startup.PeriodSeconds = startupPeriod
	startup.FailureThreshold = max(cmp.Or(health.StartupSeconds, startupSeconds)/startupPeriod, 1)
	return corev1.Container{
		Name:  ContainerName,
		Image: g.Image,
		Ports: []corev1.ContainerPort{
			{Name: portGRPC, ContainerPort: g.ports.grpc, Protocol: corev1.ProtocolTCP},
			{Name: portZenoh, ContainerPort: g.ports.zenoh, Protocol: corev1.ProtocolTCP},
		},
		Env:       g.nodeEnv(),
		Resources: resourcesOf(g.in.Environment.ODGM.Resources),
		VolumeMounts: []corev1.VolumeMount{
			{Name: volumeData, MountPath: pathData},
			{Name: volumeConfig, MountPath: pathConfig, ReadOnly: true},
		},
		StartupProbe:   startup,
		ReadinessProbe: probe(),
		LivenessProbe:  probe(),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			RunAsNonRoot:             new(true),
			RunAsUser:                ptr.To[int64](pods.Nobody),
			RunAsGroup:               ptr.To[int64](pods.Nobody),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

// resourcesOf are the environment's, completed where they name neither a request
// nor a limit of a resource.
func resourcesOf(own v1alpha1.FunctionResources) corev1.ResourceRequirements {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for name, quantity := range own.Requests {
		requests[name] = quantity.DeepCopy()
	}
	for name, quantity := range own.Limits {
		limits[name] = quantity.DeepCopy()
	}
	for _, d := range []struct {
		name           corev1.ResourceName
		request, limit string
	}{
		{corev1.ResourceCPU, "200m", "1"},
		{corev1.ResourceMemory, "512Mi", "1Gi"},
	} {
		_, requested := requests[d.name]
		_, limited := limits[d.name]
		if !requested && !limited {
			requests[d.name], limits[d.name] = resource.MustParse(d.request), resource.MustParse(d.limit)
		}
	}
	// Kubernetes stores nothing finer.
	for _, list := range []corev1.ResourceList{requests, limits} {
		for name, quantity := range list {
			quantity.RoundUp(resource.Milli)
			list[name] = quantity
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

// volumes are where a node keeps its data, and its settings. Data outlives the pod
// where the class promises it and the environment has room for it.
func (g *Grid) volumes() ([]corev1.Volume, []corev1.PersistentVolumeClaim) {
	volumes := []corev1.Volume{{
		Name: volumeConfig,
		VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: g.ConfigMapName()},
		}},
	}}
	storage := g.in.Environment.ODGM.Storage
	if storage == nil || !g.in.Record.Spec.State.Persistent {
		return append(volumes, corev1.Volume{
			Name:         volumeData,
			VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
		}), nil
	}
	size := resource.MustParse("1Gi")
	if storage.Size != nil {
		size = storage.Size.DeepCopy()
	}
	claim := corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: volumeData, Labels: g.claimLabels()},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			VolumeMode:  ptr.To(corev1.PersistentVolumeFilesystem),
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if storage.ClassName != "" {
		claim.Spec.StorageClassName = new(storage.ClassName)
	}
	return volumes, []corev1.PersistentVolumeClaim{claim}
}
