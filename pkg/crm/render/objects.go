// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// containerName is the name of the function's container in its pod.
	containerName = "function"
	// servicePort is the port of every function's Service, so that callers need not
	// know on which one a container happens to listen.
	servicePort = 80
	// nobody is the user that containers run as. An image that names no user would
	// run as root, which runAsNonRoot refuses, and for one that names its user in
	// words the kubelet cannot tell; a fixed number serves both. It is the user that
	// distroless and ko images have.
	nobody = 65532
	// revisionHistory is the number of old ReplicaSets kept for a rollback.
	revisionHistory = 3
)

// Probe timing where a record leaves it open, in seconds and failures.
const (
	probePeriod = 10
	// A connection costs next to nothing, and a new replica waits for its first
	// probe that succeeds.
	connectPeriod  = 2
	probeTimeout   = 1
	probeThreshold = 3
)

func (f *function) deployment() *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: f.meta(),
		Spec: appsv1.DeploymentSpec{
			// Ours to say: an autoscaler or a person who sets another number sees it
			// taken back in the next pass, so a HorizontalPodAutoscaler that points at
			// this Deployment fights the record. Change the record instead.
			Replicas:             new(f.replicas),
			RevisionHistoryLimit: ptr.To[int32](revisionHistory),
			Selector:             &metav1.LabelSelector{MatchLabels: f.selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					// A new replica serves before an old one goes.
					MaxUnavailable: new(intstr.FromInt32(0)),
					MaxSurge:       new(intstr.FromString("25%")),
				},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: f.podLabels(), Annotations: f.fullNames()},
				Spec:       f.podSpec(),
			},
		},
	}
}

func (f *function) podSpec() corev1.PodSpec {
	return corev1.PodSpec{
		// Functions do not talk to Kubernetes; a token would only be there to steal.
		AutomountServiceAccountToken: new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      ptr.To[int64](nobody),
			RunAsGroup:     ptr.To[int64](nobody),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name:  containerName,
			Image: f.container.Image,
			Ports: []corev1.ContainerPort{{
				Name:          f.portName(),
				ContainerPort: f.containerPort(),
				Protocol:      corev1.ProtocolTCP,
			}},
			Env:            f.env(),
			Resources:      f.resources(),
			StartupProbe:   f.httpProbe(f.health().Startup),
			ReadinessProbe: f.readiness(),
			LivenessProbe:  f.httpProbe(f.health().Liveness),
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
		TopologySpreadConstraints: f.spread(),
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
// next, as far as the cluster has any: a single node must still do.
func (f *function) spread() []corev1.TopologySpreadConstraint {
	if f.replicas < 2 {
		return nil
	}
	var constraints []corev1.TopologySpreadConstraint
	for _, topology := range []string{corev1.LabelTopologyZone, corev1.LabelHostname} {
		constraints = append(constraints, corev1.TopologySpreadConstraint{
			MaxSkew:           1,
			TopologyKey:       topology,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: f.selector()},
			MatchLabelKeys:    []string{appsv1.DefaultDeploymentUniqueLabelKey},
		})
	}
	return constraints
}

func (f *function) service() *corev1.Service {
	port := corev1.ServicePort{
		Name:       f.portName(),
		Port:       servicePort,
		Protocol:   corev1.ProtocolTCP,
		TargetPort: intstr.FromString(f.portName()),
	}
	if f.container.NeedHTTP2 {
		port.AppProtocol = new("kubernetes.io/h2c")
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service"},
		ObjectMeta: f.meta(),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: f.selector(),
			Ports:    []corev1.ServicePort{port},
		},
	}
}

// disruptionBudget lets a drain take one replica at a time, and lets it take
// replicas that do not serve anyway: they would block the drain for nothing.
func (f *function) disruptionBudget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: f.meta(),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             new(intstr.FromInt32(1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: f.selector()},
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}
