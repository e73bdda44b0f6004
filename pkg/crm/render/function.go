// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render/names"
	"oaas.io/oaas/pkg/crm/template"
)

const (
	// defaultContainerPort is where a container serves that names no port.
	defaultContainerPort = 8080
	// servicePort is the port of every function's Service, so that callers need not
	// know on which one a container happens to listen.
	servicePort = 80
	// suffixHeadless ends the name of a headless Service.
	suffixHeadless = "-pods"
)

// Autoscales tells whether objects of a kind decide on the replicas of workloads.
func Autoscales(kind schema.GroupKind) bool {
	return kind == schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"} ||
		kind == schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
}

// function is one function of a record with everything its objects share.
type function struct {
	in        *Input
	record    *v1alpha1.DeploymentRecord
	container *v1alpha1.FunctionContainer
	name      string
	size      nfr.Size
	// own are the resources that the function itself asks for, within the ceiling.
	own      v1alpha1.FunctionResources
	ceiling  nfr.Ceiling
	grid     *odgm.Grid
	sidecar  *odgm.Sidecar
	warnings []string
}

func functionsOf(in Input) []*function {
	functions := make([]*function, 0, len(in.Record.Spec.FunctionContainers))
	for i := range in.Record.Spec.FunctionContainers {
		functions = append(functions, newFunction(&in, &in.Record.Spec.FunctionContainers[i]))
	}
	return functions
}

func newFunction(in *Input, container *v1alpha1.FunctionContainer) *function {
	f := &function{
		in:        in,
		record:    in.Record,
		container: container,
		name:      names.Workload(in.Record.Name, container.FunctionKey),
		ceiling:   in.Environment.Ceiling(in.Template.Name),
		own:       *container.Resources.DeepCopy(),
	}
	f.size = in.Analysis.Size(container, f.ceiling)
	if asked := in.Analysis.Size(container, nfr.Ceiling{}); asked.Max > f.size.Max || asked.Replicas > f.size.Replicas {
		f.warn("%d to %d replicas are asked for, and at most %d allowed", asked.Replicas, asked.Max, f.size.Max)
	}
	for _, excess := range nfr.Exceeds(container.Resources, f.ceiling) {
		f.warn("%s of %s is asked for, and at most %s allowed", excess.Asked.String(), excess.Name, excess.Most.String())
		for _, list := range []corev1.ResourceList{f.own.Requests, f.own.Limits} {
			if size, ok := list[excess.Name]; ok {
				list[excess.Name] = least(size, excess.Most)
			}
		}
	}
	return f
}

func least(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return a
	}
	return b.DeepCopy()
}

// warn tells where a ceiling changed what the record asks for.
func (f *function) warn(format string, args ...any) {
	f.warnings = append(f.warnings, fmt.Sprintf("function %q: ", f.container.FunctionKey)+fmt.Sprintf(format, args...)+
		fmt.Sprintf(" with template %q in environment %q", f.in.Template.Name, f.in.Environment.Name))
}

// autoscaled functions may have more replicas than they start with, and a template
// and a cluster with an autoscaler. In mode Sidecar each replica is a node of the
// data grid, which does not come and go with the load.
func (f *function) autoscaled() bool {
	return f.in.Features.HPA && f.sidecar == nil && f.size.Max > f.size.Replicas &&
		slices.ContainsFunc(f.in.Template.Kinds(), func(kind template.Kind) bool {
			return Autoscales(kind.GroupKind()) && f.in.served(kind.GroupKind())
		})
}

// labels of every object of the function.
func (f *function) labels() map[string]string {
	labels := f.ownLabels()
	labels[v1alpha1.LabelTemplate] = names.LabelValue(f.in.Template.Name)
	labels[v1alpha1.LabelComponent] = v1alpha1.ComponentFunction
	if version := f.record.Spec.DeploymentUnit.PackageVersion; version != "" {
		labels[labelVersion] = names.LabelValue(version)
	}
	return labels
}

// podLabels are the labels of the function's pods. The package's version and the
// template are not among them: they would roll every pod when a package changes
// another function, or a template another object.
func (f *function) podLabels() map[string]string {
	labels := f.ownLabels()
	if f.sidecar != nil {
		maps.Copy(labels, f.sidecar.PodLabels)
	}
	return labels
}

// ownLabels are the labels of the record with those of the function.
func (f *function) ownLabels() map[string]string {
	key := names.LabelValue(f.container.FunctionKey)
	labels := recordLabels(f.record)
	labels["app.kubernetes.io/component"] = key
	labels[v1alpha1.LabelFunction] = key
	return labels
}

// selector picks the function's pods. A Deployment's selector can never be
// changed, so it holds only what identifies the function.
func (f *function) selector() map[string]string {
	return map[string]string{
		v1alpha1.LabelDeploymentID: f.record.Name,
		v1alpha1.LabelFunction:     names.LabelValue(f.container.FunctionKey),
	}
}

// fullNames are the names behind the labels, uncut.
func (f *function) fullNames() map[string]string {
	full := fullNames(f.record)
	full[v1alpha1.LabelFunction] = f.container.FunctionKey
	return full
}

func (f *function) port() int32 { return cmp.Or(f.container.Port, defaultContainerPort) }

// portName tells meshes and people which protocol the port speaks.
func (f *function) portName() string {
	switch {
	case f.container.NeedHTTP2:
		return "h2c"
	case f.in.Template.Spec.Type == v1alpha1.TemplateTypeKnative:
		// Knative's own word for it.
		return "http1"
	default:
		return "http"
	}
}

// appProtocol is empty where the port's name says it all.
func (f *function) appProtocol() string {
	if f.container.NeedHTTP2 {
		return "kubernetes.io/h2c"
	}
	return ""
}

// url reaches the function through its Service.
func (f *function) url() string {
	return urlOf(f.name, f.record.Namespace, f.in.Template.Spec.Type == v1alpha1.TemplateTypeKnative)
}

func urlOf(name, namespace string, knative bool) string {
	if knative {
		return fmt.Sprintf("http://%s.%s.svc", name, namespace)
	}
	return fmt.Sprintf("http://%s.%s.svc:%d", name, namespace, servicePort)
}

// resources of one replica.
func (f *function) resources() corev1.ResourceRequirements {
	return f.in.Analysis.Resources(f.own, f.in.Template.Spec.ResourceRequirements, f.ceiling)
}
