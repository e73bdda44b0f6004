// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/pods"
)

// revisionHistory is the number of old revisions kept for a rollback.
const revisionHistory = 3

// statefulSet runs the nodes of a grid of its own.
func (g *Grid) statefulSet() *appsv1.StatefulSet {
	volumes, claims := g.volumes()
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "StatefulSet"},
		ObjectMeta: g.meta(g.Name),
		Spec: appsv1.StatefulSetSpec{
			Replicas:    new(g.Nodes),
			ServiceName: g.headlessName(),
			Ordinals:    &appsv1.StatefulSetOrdinals{Start: firstID},
			// Nodes that wait for a majority would wait for ever if each started after the
			// one before it. An update still takes one at a time.
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			RevisionHistoryLimit: ptr.To[int32](revisionHistory),
			Selector:             &metav1.LabelSelector{MatchLabels: g.selector()},
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType},
			// Data goes when the record's deletion policy says so, never with a workload
			// that another template replaces.
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: g.podLabels(), Annotations: g.meta("").Annotations},
				Spec:       g.podSpec(volumes),
			},
			VolumeClaimTemplates: claims,
		},
	}
}

func (g *Grid) podSpec(volumes []corev1.Volume) corev1.PodSpec {
	spec := pods.Spec(g.in.Environment.Scheduling)
	pods.WithVolumes(&spec)
	spec.Containers = []corev1.Container{g.container()}
	spec.Volumes = volumes
	spec.Affinity = &corev1.Affinity{PodAntiAffinity: g.antiAffinity()}
	spec.TopologySpreadConstraints = g.acrossZones()
	return spec
}

// antiAffinity keeps the nodes of a grid on machines of their own: where one machine
// takes two copies with it, copies are worth less. Beside functions that is a wish at
// any time: there are as many nodes as replicas, and a replica that finds no machine
// of its own should still serve.
func (g *Grid) antiAffinity() *corev1.PodAntiAffinity {
	term := corev1.PodAffinityTerm{
		TopologyKey:   corev1.LabelHostname,
		LabelSelector: &metav1.LabelSelector{MatchLabels: g.selector()},
	}
	if g.in.RequireSpread && g.Mode == v1alpha1.ODGMCluster {
		return &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
	}
	return &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
		{Weight: 100, PodAffinityTerm: term},
	}}
}

// acrossZones spreads nodes over the zones that there are.
func (g *Grid) acrossZones() []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{
		MaxSkew:           1,
		TopologyKey:       corev1.LabelTopologyZone,
		WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector:     &metav1.LabelSelector{MatchLabels: g.selector()},
	}}
}
