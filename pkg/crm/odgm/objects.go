// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

// objects are in the order in which they are needed: settings before the pods that
// mount them, Services before the nodes that look each other up.
func (g *Grid) objects() []runtime.Object {
	objects := []runtime.Object{g.configMap(), g.headlessService(), g.service()}
	if g.in.Environment.NetworkPolicy.Enabled {
		objects = append(objects, g.networkPolicy())
	}
	if g.Mode != v1alpha1.ODGMCluster {
		return objects
	}
	if g.Nodes > 1 {
		objects = append(objects, g.disruptionBudget())
	}
	return append(objects, g.statefulSet())
}

func (g *Grid) headlessName() string { return names.Grid(g.in.Record.Name, suffixHeadless) }

func (g *Grid) meta(name string) metav1.ObjectMeta {
	unit := g.in.Record.Spec.DeploymentUnit
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: g.in.Record.Namespace,
		Labels:    g.labels(),
		Annotations: map[string]string{
			v1alpha1.LabelPackage: unit.PackageName,
			v1alpha1.LabelClass:   unit.ClassKey,
		},
	}
}

func (g *Grid) labels() map[string]string {
	unit := g.in.Record.Spec.DeploymentUnit
	class, pkg := names.LabelValue(unit.ClassKey), names.LabelValue(unit.PackageName)
	return map[string]string{
		"app.kubernetes.io/name":      class,
		"app.kubernetes.io/instance":  names.LabelValue(g.in.Record.Name),
		"app.kubernetes.io/component": v1alpha1.ComponentODGM,
		"app.kubernetes.io/part-of":   pkg,
		v1alpha1.LabelManagedBy:       v1alpha1.FieldManagerReconciler,
		v1alpha1.LabelDeploymentID:    names.LabelValue(g.in.Record.Name),
		v1alpha1.LabelPackage:         pkg,
		v1alpha1.LabelClass:           class,
		v1alpha1.LabelComponent:       v1alpha1.ComponentODGM,
		v1alpha1.LabelEnvironment:     names.LabelValue(g.in.Record.Spec.TargetEnvironment),
	}
}

// podLabels are the labels of nodes that have a pod of their own.
func (g *Grid) podLabels() map[string]string {
	labels := g.labels()
	labels[LabelNode] = "true"
	return labels
}

// selector picks the pods of all nodes. A StatefulSet's selector can never be
// changed, so it holds only what identifies them.
func (g *Grid) selector() map[string]string {
	return map[string]string{
		v1alpha1.LabelDeploymentID: names.LabelValue(g.in.Record.Name),
		LabelNode:                  "true",
	}
}

// claimLabels find the volumes of a record when nothing else of it is left. Nothing
// that may change is among them: claim templates cannot be changed.
func (g *Grid) claimLabels() map[string]string {
	return map[string]string{
		v1alpha1.LabelManagedBy:    v1alpha1.FieldManagerReconciler,
		v1alpha1.LabelDeploymentID: names.LabelValue(g.in.Record.Name),
		v1alpha1.LabelComponent:    v1alpha1.ComponentODGM,
	}
}

// service is where clients reach any node that serves.
func (g *Grid) service() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: g.meta(g.Name),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: g.selector(),
			Ports:    []corev1.ServicePort{grpcPort()},
		},
	}
}

// headlessService is how nodes find each other. It names nodes that are not ready
// too: they become ready by talking to each other.
func (g *Grid) headlessService() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: g.meta(g.headlessName()),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 g.selector(),
			Ports: []corev1.ServicePort{grpcPort(), {
				Name:       portZenoh,
				Port:       g.ports.zenoh,
				Protocol:   corev1.ProtocolTCP,
				TargetPort: intstr.FromString(portZenoh),
			}},
		},
	}
}

func grpcPort() corev1.ServicePort {
	return corev1.ServicePort{
		Name:        portGRPC,
		Port:        servicePort,
		Protocol:    corev1.ProtocolTCP,
		AppProtocol: new("kubernetes.io/h2c"),
		TargetPort:  intstr.FromString(portGRPC),
	}
}

// disruptionBudget lets a drain take one node at a time: two at once could be the
// majority of a partition's copies.
func (g *Grid) disruptionBudget() *policyv1.PodDisruptionBudget {
	// A node that is not ready may still hold the only copy that is up to date once
	// another fails. What is in its pod alone goes with the pod, so a drain waits for it
	// unless the budget has room; what is in a volume comes back, and nodes that crash
	// for ever must not keep machines from being drained.
	unhealthy := policyv1.IfHealthyBudget
	if _, claims := g.volumes(); len(claims) > 0 {
		unhealthy = policyv1.AlwaysAllow
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: g.meta(g.Name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             new(intstr.FromInt32(1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: g.selector()},
			UnhealthyPodEvictionPolicy: &unhealthy,
		},
	}
}
