// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

// networkPolicy lets clients of the record, of its namespace and of the namespaces
// that the environment names reach the nodes, and the nodes alone reach each other
// where they agree on writes. Beside functions it adds to the policy of those, which
// opens their port and no other.
func (g *Grid) networkPolicy() *networkingv1.NetworkPolicy {
	tcp := ptr.To(corev1.ProtocolTCP)
	port := func(name string) []networkingv1.NetworkPolicyPort {
		return []networkingv1.NetworkPolicyPort{{Protocol: tcp, Port: new(intstr.FromString(name))}}
	}
	clients := []networkingv1.NetworkPolicyPeer{namespace(g.in.Record.Namespace)}
	for _, selected := range g.in.Environment.NetworkPolicy.AllowedNamespaces {
		selector := selected.DeepCopy()
		if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
			// An empty selector picks all namespaces. Spelled out, it is still there when
			// empty fields are left out of what is applied.
			selector.MatchExpressions = []metav1.LabelSelectorRequirement{
				{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpExists},
			}
		}
		clients = append(clients, networkingv1.NetworkPolicyPeer{NamespaceSelector: selector})
	}
	if g.in.ManagerNamespace != "" {
		clients = append(clients, namespace(g.in.ManagerNamespace))
	}
	record := &metav1.LabelSelector{MatchLabels: map[string]string{
		v1alpha1.LabelDeploymentID: names.LabelValue(g.in.Record.Name),
	}}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: g.meta(g.Name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: g.selector()},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{Ports: port(portGRPC), From: clients},
				{Ports: port(portZenoh), From: []networkingv1.NetworkPolicyPeer{{PodSelector: record}}},
			},
		},
	}
}

// namespace is every pod of a namespace.
func namespace(name string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
		MatchLabels: map[string]string{corev1.LabelMetadataName: name},
	}}
}
