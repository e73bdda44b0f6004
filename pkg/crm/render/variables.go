// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render/names"
	"oaas.io/oaas/pkg/crm/template"
)

// Subject is what the criteria of templates see of a record, before one is chosen.
func Subject(record *v1alpha1.DeploymentRecord) template.Input {
	unit, required := record.Spec.DeploymentUnit, record.Spec.NFRRequirements
	subject := template.Input{Record: template.Record{
		Name:             record.Name,
		Namespace:        record.Namespace,
		Tenant:           unit.Namespace,
		ClassDeployment:  unit.ClassDeployment,
		Package:          unit.PackageName,
		PackageVersion:   unit.PackageVersion,
		Class:            unit.ClassKey,
		Environment:      record.Spec.TargetEnvironment,
		DeletionPolicy:   string(cmp.Or(record.Spec.DeletionPolicy, v1alpha1.DeletionDelete)),
		MinThroughputRPS: ptr.Deref(required.MinThroughputRPS, 0),
		MaxLatencyMs:     ptr.Deref(required.MaxLatencyMs, 0),
		Annotations:      record.Annotations,
		Labels:           recordLabels(record),
		Selector:         map[string]string{v1alpha1.LabelDeploymentID: record.Name},
	}}
	// What is no number was refused by the analysis of the requirements.
	subject.Record.Availability, _ = strconv.ParseFloat(required.Availability, 64)
	if state := record.Spec.State; state != nil {
		subject.Record.Stateful = true
		subject.Record.Persistent = state.Persistent
		subject.Record.ConsistencyModel = string(cmp.Or(state.ConsistencyModel, v1alpha1.ConsistencyNone))
	}
	allocation := record.Spec.ResourceAllocation
	for i := range record.Spec.FunctionContainers {
		container := &record.Spec.FunctionContainers[i]
		subject.Requests = append(subject.Requests, template.Request{
			Key:            container.FunctionKey,
			Image:          container.Image,
			Port:           cmp.Or(container.Port, defaultContainerPort),
			NeedHTTP2:      container.NeedHTTP2,
			MaxConcurrency: container.MaxConcurrency,
			MinReplicas:    ptr.Deref(container.MinReplicas, allocation.MinReplicas),
			MaxReplicas:    ptr.Deref(container.MaxReplicas, allocation.MaxReplicas),
		})
	}
	return subject
}

// complete adds what manifests see besides.
func complete(variables *template.Input, in Input, functions []*function, grid *odgm.Grid) error {
	variables.Names.Record = names.Record(in.Record.Name)
	variables.Features = in.Features
	variables.Analysis = template.Analysis{TargetCPU: in.Analysis.TargetCPU, Copies: in.Analysis.Copies}
	variables.Environment.Name = in.Environment.Name
	from, err := callers(in.Environment.Spec.NetworkPolicy)
	if err != nil {
		return err
	}
	variables.Environment.NetworkPolicy = template.NetworkPolicy{Enabled: in.Environment.Spec.NetworkPolicy.Enabled, From: from}
	if grid != nil {
		variables.ODGM = template.ODGM{Enabled: true, Mode: string(grid.Mode), Endpoint: grid.Endpoint, Nodes: grid.Nodes}
		for _, collection := range grid.Collections {
			variables.ODGM.Collections = append(variables.ODGM.Collections, collection.Name)
		}
	}
	for _, f := range functions {
		made, err := f.variables()
		if err != nil {
			return fmt.Errorf("function %q: %w", f.container.FunctionKey, err)
		}
		variables.Functions = append(variables.Functions, made)
	}
	return nil
}

// callers are the peers of a NetworkPolicy: pods of the same namespace, and of the
// namespaces that the environment allows.
func callers(settings v1alpha1.NetworkPolicySettings) ([]template.Value, error) {
	peers := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	for i := range settings.AllowedNamespaces {
		peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: &settings.AllowedNamespaces[i]})
	}
	values := make([]template.Value, 0, len(peers))
	for i := range peers {
		content, err := contentOf(&peers[i])
		if err != nil {
			return nil, err
		}
		values = append(values, template.NewValue(content))
	}
	return values, nil
}

// variables are the function as manifests see it.
func (f *function) variables() (template.Function, error) {
	pod := f.pod()
	podContent, err := contentOf(&pod)
	if err != nil {
		return template.Function{}, err
	}
	port := corev1.ServicePort{
		Name:       f.portName(),
		Port:       servicePort,
		Protocol:   corev1.ProtocolTCP,
		TargetPort: intstr.FromString(f.portName()),
	}
	if protocol := f.appProtocol(); protocol != "" {
		port.AppProtocol = new(protocol)
	}
	portContent, err := contentOf(&port)
	if err != nil {
		return template.Function{}, err
	}
	made := template.Function{
		Key:            f.container.FunctionKey,
		Name:           f.name,
		HeadlessName:   f.name + suffixHeadless,
		Labels:         f.labels(),
		Selector:       f.selector(),
		Annotations:    f.fullNames(),
		Replicas:       f.size.Replicas,
		MinReplicas:    f.size.Min,
		MaxReplicas:    f.size.Max,
		Autoscaled:     f.autoscaled(),
		TargetCPU:      f.in.Analysis.TargetCPU,
		Image:          f.container.Image,
		Port:           f.port(),
		PortName:       f.portName(),
		ServicePort:    servicePort,
		ServicePorts:   []template.Value{template.NewValue(portContent)},
		AppProtocol:    f.appProtocol(),
		NeedHTTP2:      f.container.NeedHTTP2,
		MaxConcurrency: f.container.MaxConcurrency,
		Pod:            template.NewValue(podContent),
	}
	if f.sidecar != nil {
		made.OrdinalsStart = f.sidecar.OrdinalStart
		for i := range f.sidecar.Claims {
			claim, err := contentOf(&f.sidecar.Claims[i])
			if err != nil {
				return template.Function{}, err
			}
			made.VolumeClaimTemplates = append(made.VolumeClaimTemplates, template.NewValue(claim))
		}
	}
	return made, nil
}
