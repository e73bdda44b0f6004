// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"fmt"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/image"
)

const (
	dnsName = "coredns"
	// dnsPort is above 1024, so that no rights are needed to listen on it.
	dnsPort     = 1053
	dnsHealth   = 8080
	dnsReady    = 8181
	dnsAppLabel = "k8s-app"
	// dnsApp is what other programs look for.
	dnsApp = "kube-dns"
)

// startDNS runs CoreDNS, whose address kubelet gives to pods. It is not waited
// for: nothing needs a name before its own pod runs.
func (s *start) startDNS(ctx context.Context) error {
	if s.NoDNS {
		return nil
	}
	servers, err := os.ReadFile(resolvConf())
	upstream := err == nil && strings.Contains(string(servers), "nameserver")
	in := metav1.CreateOptions{}
	const namespace = metav1.NamespaceSystem
	steps := []func() error{
		func() error {
			_, err := s.client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: dnsMeta()}, in)
			return err
		},
		func() error { _, err := s.client.RbacV1().ClusterRoles().Create(ctx, dnsRole(), in); return err },
		func() error {
			_, err := s.client.RbacV1().ClusterRoleBindings().Create(ctx, dnsRoleBinding(), in)
			return err
		},
		func() error {
			_, err := s.client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{
				ObjectMeta: dnsMeta(), Data: map[string]string{"Corefile": corefile(upstream)},
			}, in)
			return err
		},
		func() error {
			_, err := s.client.AppsV1().Deployments(namespace).Create(ctx, dnsDeployment(), in)
			return err
		},
		func() error {
			// Creating it anew is refused for its address before its name.
			if _, err := s.client.CoreV1().Services(namespace).Get(ctx, dnsApp, metav1.GetOptions{}); err == nil {
				return nil
			}
			_, err := s.client.CoreV1().Services(namespace).Create(ctx, dnsService(), in)
			return err
		},
	}
	for _, step := range steps {
		// A cluster that had a node before has them.
		if err := step(); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("setting up the cluster's DNS: %w", err)
		}
	}
	return nil
}

// corefile answers for services, and passes other names on to the name servers
// of this machine, if it has any.
func corefile(upstream bool) string {
	lines := []string{
		fmt.Sprintf(".:%d {", dnsPort),
		"    errors",
		fmt.Sprintf("    health :%d", dnsHealth),
		fmt.Sprintf("    ready :%d", dnsReady),
		"    kubernetes " + cluster.ClusterDomain + " in-addr.arpa",
		"    cache 5",
		"    loadbalance",
	}
	if upstream {
		lines = append(lines, "    forward . /etc/resolv.conf")
	}
	return strings.Join(append(lines, "}", ""), "\n")
}

func dnsMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: dnsName, Labels: map[string]string{dnsAppLabel: dnsApp}}
}

func dnsRole() *rbacv1.ClusterRole {
	read := []string{"list", "watch"}
	return &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "oaas:" + dnsName},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
		},
	}
}

func dnsRoleBinding() *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "oaas:" + dnsName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "oaas:" + dnsName},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceSystem, Name: dnsName}},
	}
}

func dnsService() *corev1.Service {
	port := func(name string, protocol corev1.Protocol) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Protocol: protocol, Port: 53, TargetPort: intstr.FromInt32(dnsPort)}
	}
	meta := dnsMeta()
	meta.Name = dnsApp
	return &corev1.Service{
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			ClusterIP: dnsAddress,
			Selector:  map[string]string{dnsAppLabel: dnsApp},
			Ports:     []corev1.ServicePort{port("dns", corev1.ProtocolUDP), port("dns-tcp", corev1.ProtocolTCP)},
		},
	}
}

func dnsDeployment() *appsv1.Deployment {
	labels := map[string]string{dnsAppLabel: dnsApp}
	probe := func(path string, port int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}},
			PeriodSeconds: 5,
		}
	}
	const volume = "config"
	return &appsv1.Deployment{
		ObjectMeta: dnsMeta(),
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: dnsName,
					PriorityClassName:  "system-cluster-critical",
					// Not itself.
					DNSPolicy: corev1.DNSDefault,
					// A simulated node would only pretend to run it.
					NodeSelector: map[string]string{LabelKey: LabelValue},
					Containers: []corev1.Container{{
						Name:           dnsName,
						Image:          image.CoreDNS().Reference,
						Args:           []string{"-conf", "/etc/coredns/Corefile"},
						LivenessProbe:  probe("/health", dnsHealth),
						ReadinessProbe: probe("/ready", dnsReady),
						VolumeMounts:   []corev1.VolumeMount{{Name: volume, MountPath: "/etc/coredns", ReadOnly: true}},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false),
							ReadOnlyRootFilesystem:   new(true),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
					}},
					Volumes: []corev1.Volume{{Name: volume, VolumeSource: corev1.VolumeSource{
						ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: dnsName}},
					}}},
				},
			},
		},
	}
}
