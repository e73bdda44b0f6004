// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

const (
	// defaultContainerPort is where a container serves that names no port.
	defaultContainerPort = 8080
	// strictLatencyMs is the latency bound, in milliseconds, below which a function
	// gets the larger default size.
	strictLatencyMs = 100
)

// Environment variables that every function container gets. They win over the
// function's own, because callers rely on them.
const (
	envFunctionKey        = "FUNCTION_KEY"
	envDeploymentID       = "DEPLOYMENT_ID"
	envEnvironment        = "ENVIRONMENT"
	envExpectedThroughput = "EXPECTED_THROUGHPUT"
	envMaxLatency         = "MAX_LATENCY_MS"
)

// function is one function of a record with everything its objects share.
type function struct {
	record    *v1alpha1.DeploymentRecord
	container *v1alpha1.FunctionContainer
	name      string
	replicas  int32
}

func newFunction(in Input, container *v1alpha1.FunctionContainer) *function {
	record := in.Record
	return &function{
		record:    record,
		container: container,
		name:      names.Workload(record.Name, container.FunctionKey),
		replicas:  replicasOf(record.Spec.ResourceAllocation, container, in.MaxReplicas),
	}
}

// replicasOf is the number of replicas to run: the function's minimum, else the
// record's, within the maximum of the same and the cluster's cap. It is at least
// 1, since nothing here would wake a function that has no replica, unless the
// function's own maximum is 0: that is how a function is stopped.
func replicasOf(allocation v1alpha1.ResourceAllocation, container *v1alpha1.FunctionContainer, ceiling int32) int32 {
	least, most := allocation.MinReplicas, allocation.MaxReplicas
	if container.MinReplicas != nil {
		least = *container.MinReplicas
	}
	if container.MaxReplicas != nil {
		most = *container.MaxReplicas
		if most == 0 {
			return 0
		}
	}
	replicas := least
	for _, bound := range []int32{most, ceiling} {
		if bound > 0 {
			replicas = min(replicas, bound)
		}
	}
	return max(replicas, 1)
}

// meta is the metadata of an object of the function.
func (f *function) meta() metav1.ObjectMeta {
	labels := f.podLabels()
	if version := f.record.Spec.DeploymentUnit.PackageVersion; version != "" {
		labels["app.kubernetes.io/version"] = names.LabelValue(version)
	}
	return metav1.ObjectMeta{
		Name:            f.name,
		Namespace:       f.record.Namespace,
		Labels:          labels,
		Annotations:     f.fullNames(),
		OwnerReferences: []metav1.OwnerReference{ownerOf(f.record)},
	}
}

// podLabels are the labels of the function's pods. The package's version is not
// among them: it would roll every pod when a package changes another function.
func (f *function) podLabels() map[string]string {
	unit := f.record.Spec.DeploymentUnit
	class, pkg, key := names.LabelValue(unit.ClassKey), names.LabelValue(unit.PackageName), names.LabelValue(f.container.FunctionKey)
	return map[string]string{
		"app.kubernetes.io/name":      class,
		"app.kubernetes.io/instance":  f.record.Name,
		"app.kubernetes.io/component": key,
		"app.kubernetes.io/part-of":   pkg,
		v1alpha1.LabelManagedBy:       v1alpha1.FieldManagerReconciler,
		v1alpha1.LabelDeploymentID:    f.record.Name,
		v1alpha1.LabelPackage:         pkg,
		v1alpha1.LabelClass:           class,
		v1alpha1.LabelFunction:        key,
		v1alpha1.LabelEnvironment:     names.LabelValue(f.record.Spec.TargetEnvironment),
	}
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
	return map[string]string{
		v1alpha1.LabelPackage:  f.record.Spec.DeploymentUnit.PackageName,
		v1alpha1.LabelClass:    f.record.Spec.DeploymentUnit.ClassKey,
		v1alpha1.LabelFunction: f.container.FunctionKey,
	}
}

func (f *function) containerPort() int32 {
	return cmp.Or(f.container.Port, defaultContainerPort)
}

// portName tells meshes and people which protocol the port speaks.
func (f *function) portName() string {
	if f.container.NeedHTTP2 {
		return "h2c"
	}
	return "http"
}

// env is the container's environment, sorted so that equal records render
// equally.
func (f *function) env() []corev1.EnvVar {
	values := map[string]string{}
	for _, variable := range f.container.Env {
		values[variable.Name] = variable.Value
	}
	values[envFunctionKey] = f.container.FunctionKey
	values[envDeploymentID] = f.record.Name
	values[envEnvironment] = f.record.Spec.TargetEnvironment
	if rate := f.record.Spec.NFRRequirements.MinThroughputRPS; rate != nil {
		values[envExpectedThroughput] = strconv.FormatInt(*rate, 10)
	}
	if latency := f.record.Spec.NFRRequirements.MaxLatencyMs; latency != nil {
		values[envMaxLatency] = strconv.FormatInt(*latency, 10)
	}
	env := make([]corev1.EnvVar, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, corev1.EnvVar{Name: name, Value: values[name]})
	}
	return env
}

// resources are the function's own, completed by a default size that depends on
// the latency that was asked for. A default never contradicts what the user set:
// a default request is lowered to the user's limit and a default limit raised to
// the user's request.
func (f *function) resources() corev1.ResourceRequirements {
	cpu, memory := resource.MustParse("200m"), resource.MustParse("256Mi")
	if latency := f.record.Spec.NFRRequirements.MaxLatencyMs; latency != nil && *latency < strictLatencyMs {
		cpu, memory = resource.MustParse("500m"), resource.MustParse("512Mi")
	}
	own := f.container.Resources
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for name, size := range map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		requests[name], limits[name] = size.DeepCopy(), size.DeepCopy()
		request, hasRequest := own.Requests[name]
		limit, hasLimit := own.Limits[name]
		if hasLimit && !hasRequest && limit.Cmp(size) < 0 {
			requests[name] = limit.DeepCopy()
		}
		if hasRequest && !hasLimit && request.Cmp(size) > 0 {
			limits[name] = request.DeepCopy()
		}
	}
	for name, request := range own.Requests {
		requests[name] = request.DeepCopy()
	}
	for name, limit := range own.Limits {
		limits[name] = limit.DeepCopy()
	}
	for name, request := range own.Requests {
		if _, limited := limits[name]; !limited && !overcommittable(name) {
			limits[name] = request.DeepCopy()
		}
	}
	// Kubernetes stores nothing finer, and a finer size would differ from what is
	// there for ever.
	for _, list := range []corev1.ResourceList{requests, limits} {
		for name, size := range list {
			size.RoundUp(resource.Milli)
			list[name] = size
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

// overcommittable resources may be requested without a limit. Devices and huge
// pages may not: Kubernetes refuses a pod that does not limit them as it requests
// them.
func overcommittable(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}
