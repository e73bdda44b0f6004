// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/pods"
)

// containerName is the name of the function's container in its pod.
const containerName = "function"

// Probe timing where a record leaves it open, in seconds and failures.
const (
	probePeriod = 10
	// A connection costs next to nothing, and a new replica waits for its first
	// probe that succeeds.
	connectPeriod  = 2
	probeTimeout   = 1
	probeThreshold = 3
)

// drain is how long, in seconds, a replica that is to end goes on taking calls. Until
// every node of the cluster has heard of its end, some still send it calls, which it
// would refuse.
const drain = 3

// pod is the template of the function's pods.
func (f *function) pod() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: f.podLabels(), Annotations: f.fullNames()},
		Spec:       f.podSpec(),
	}
}

func (f *function) podSpec() corev1.PodSpec {
	spec := pods.Spec(f.in.Environment.Spec.Scheduling)
	spec.Containers = []corev1.Container{f.function()}
	spec.TopologySpreadConstraints = f.spread()
	f.addSidecar(&spec)
	f.addVolumes(&spec)
	switch f.in.Template.Spec.Type {
	case v1alpha1.TemplateTypeJob:
		// The container runs to its end and is not asked whether it serves.
		spec.RestartPolicy = corev1.RestartPolicyOnFailure
		container := &spec.Containers[0]
		container.Lifecycle = nil
		container.StartupProbe, container.ReadinessProbe, container.LivenessProbe = nil, nil, nil
	case v1alpha1.TemplateTypeKnative:
		forKnative(&spec)
		// Its proxy drains the calls, and it lets nobody else do so.
		spec.Containers[0].Lifecycle = nil
		if f.health().Readiness == nil {
			// Knative connects to the port too, and many times in a second: a first call
			// waits for the answer.
			spec.Containers[0].ReadinessProbe = nil
		}
	case v1alpha1.TemplateTypeDeployment, v1alpha1.TemplateTypeStatefulSet, v1alpha1.TemplateTypeDaemonSet, v1alpha1.TemplateTypeCustom:
	}
	return spec
}

// function is the container of the function itself.
func (f *function) function() corev1.Container {
	return corev1.Container{
		Name:  containerName,
		Image: f.container.Image,
		Ports: []corev1.ContainerPort{{
			Name:          f.portName(),
			ContainerPort: f.port(),
			Protocol:      corev1.ProtocolTCP,
		}},
		Env:            f.env(),
		Resources:      f.resources(),
		StartupProbe:   f.httpProbe(f.health().Startup),
		ReadinessProbe: f.readiness(),
		LivenessProbe:  f.httpProbe(f.health().Liveness),
		Lifecycle:      &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: drain}}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// addSidecar puts a node of the data grid beside the function, which starts once the
// node answers.
func (f *function) addSidecar(spec *corev1.PodSpec) {
	if f.sidecar == nil {
		return
	}
	spec.InitContainers = append([]corev1.Container{f.sidecar.Container}, spec.InitContainers...)
	spec.Volumes = append(spec.Volumes, f.sidecar.Volumes...)
	spec.Affinity = f.sidecar.Affinity.DeepCopy()
	pods.WithVolumes(spec)
}

// volumePrefix keeps the function's volumes apart from those of the data grid.
const volumePrefix = "function-"

// addVolumes mounts what the function asks for.
func (f *function) addVolumes(spec *corev1.PodSpec) {
	container := &spec.Containers[0]
	claims := map[string]string{}
	for i := range f.container.VolumeMounts {
		mount := &f.container.VolumeMounts[i]
		name, source := volumePrefix+mount.Name, f.sourceOf(mount)
		if claim := source.PersistentVolumeClaim; claim != nil && claims[claim.ClaimName] != "" {
			// Another part of it. With two volumes of one claim, many a kubelet never starts
			// the pod.
			name = claims[claim.ClaimName]
		} else {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
			if claim != nil {
				claims[claim.ClaimName] = name
			}
		}
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{
			Name: name, MountPath: mount.MountPath, SubPath: mount.SubPath,
			// Nobody writes to a ConfigMap or a Secret, and Knative wants to hear it.
			ReadOnly: mount.ReadOnly || mount.ConfigMap != nil || mount.Secret != nil,
		})
	}
	if len(f.container.VolumeMounts) > 0 {
		pods.WithVolumes(spec)
	}
}

// writes tells whether a function writes to any part of a claim.
func (f *function) writes(claim string) bool {
	return slices.ContainsFunc(f.container.VolumeMounts, func(m v1alpha1.VolumeMount) bool {
		return m.PersistentVolumeClaim != nil && m.PersistentVolumeClaim.ClaimName == claim && !m.ReadOnly
	})
}

// sourceOf is where the files of a mount come from, which is one place alone.
func (f *function) sourceOf(mount *v1alpha1.VolumeMount) corev1.VolumeSource {
	optional := func(source *v1alpha1.ObjectVolume) *bool {
		if source.Optional {
			return new(true)
		}
		return nil
	}
	switch {
	case mount.ConfigMap != nil:
		return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: mount.ConfigMap.Name}, Optional: optional(mount.ConfigMap),
		}}
	case mount.Secret != nil:
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: mount.Secret.Name, Optional: optional(mount.Secret)}}
	case mount.PersistentVolumeClaim != nil:
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{
			ClaimName: mount.PersistentVolumeClaim.ClaimName, ReadOnly: !f.writes(mount.PersistentVolumeClaim.ClaimName),
		}}
	case mount.EmptyDir != nil:
		return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: mount.EmptyDir.Medium, SizeLimit: mount.EmptyDir.SizeLimit}}
	default:
		return corev1.VolumeSource{}
	}
}

// forKnative says the same in the fields that Knative has without further settings
// of its own: the security context of the container, and no spread, since it places
// revisions by itself.
func forKnative(spec *corev1.PodSpec) {
	pod := spec.SecurityContext
	spec.SecurityContext = nil
	spec.TopologySpreadConstraints = nil
	for i := range spec.Containers {
		container := &spec.Containers[i]
		container.SecurityContext.RunAsNonRoot = pod.RunAsNonRoot
		container.SecurityContext.RunAsUser = pod.RunAsUser
		container.SecurityContext.RunAsGroup = pod.RunAsGroup
		container.SecurityContext.SeccompProfile = pod.SeccompProfile
		for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
			// The container has one port, and Knative knows which.
			switch {
			case probe == nil:
			case probe.HTTPGet != nil:
				probe.HTTPGet.Port = intstr.IntOrString{}
			case probe.TCPSocket != nil:
				probe.TCPSocket.Port = intstr.IntOrString{}
			}
		}
	}
}

func (f *function) health() v1alpha1.HealthCheck {
	return ptr.Deref(f.container.HealthCheck, v1alpha1.HealthCheck{})
}

// readiness is the probe that was asked for, or a connection to the port: without
// any, a replica would get calls before it listens. There is no such fallback for
// liveness, because a busy container that does not accept for a while must not be
// restarted on top.
func (f *function) readiness() *corev1.Probe {
	if probe := f.httpProbe(f.health().Readiness); probe != nil {
		return probe
	}
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(f.portName())}},
		PeriodSeconds:    connectPeriod,
		TimeoutSeconds:   probeTimeout,
		FailureThreshold: probeThreshold,
	}
}

func (f *function) httpProbe(probe *v1alpha1.HTTPProbe) *corev1.Probe {
	if probe == nil {
		return nil
	}
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path:   probe.Path,
			Port:   intstr.FromString(f.portName()),
			Scheme: corev1.URISchemeHTTP,
		}},
		InitialDelaySeconds: probe.InitialDelaySeconds,
		PeriodSeconds:       cmp.Or(probe.PeriodSeconds, probePeriod),
		TimeoutSeconds:      cmp.Or(probe.TimeoutSeconds, probeTimeout),
		FailureThreshold:    cmp.Or(probe.FailureThreshold, probeThreshold),
	}
}

// spread keeps the replicas of one revision apart, across zones first and nodes
// next, as far as the cluster has any: a single node must still do. It is there for
// one replica too: whoever adds another, be it an autoscaler, restarts none.
func (f *function) spread() []corev1.TopologySpreadConstraint {
	// Which label tells revisions apart depends on the kind of the workload.
	var revision []string
	switch f.in.Template.Spec.Type {
	case v1alpha1.TemplateTypeDeployment:
		revision = []string{appsv1.DefaultDeploymentUniqueLabelKey}
	case v1alpha1.TemplateTypeStatefulSet:
		revision = []string{appsv1.ControllerRevisionHashLabelKey}
	case v1alpha1.TemplateTypeDaemonSet:
		// It has one pod on each node anyway.
		return nil
	case v1alpha1.TemplateTypeJob, v1alpha1.TemplateTypeKnative, v1alpha1.TemplateTypeCustom:
	}
	var constraints []corev1.TopologySpreadConstraint
	for _, topology := range []string{corev1.LabelTopologyZone, corev1.LabelHostname} {
		constraints = append(constraints, corev1.TopologySpreadConstraint{
			MaxSkew:           1,
			TopologyKey:       topology,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: f.selector()},
			MatchLabelKeys:    revision,
		})
	}
	return constraints
}
