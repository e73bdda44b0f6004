// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	resourcehelper "k8s.io/component-helpers/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/apis/quantity"
	"oaas.io/oaas/pkg/crm/odgm"
)

// demandOf is what a rendering may come to use: the requests of all pods that its
// objects make, at their greatest number.
//
// The pods of a function are as many as it may have replicas, whoever decides how
// many there are, and those of a data grid as many as the grid is on its way to.
// Other pods that a template makes are as many as their object says. A function
// whose objects hold no pod that can be read, since they are of kinds of their own,
// counts as the pod that was offered to the template.
func demandOf(rendering *Rendering, functions []*function, grid *odgm.Grid) v1alpha1.UsedQuotas {
	demand := v1alpha1.UsedQuotas{Deployments: 1}
	var pods []podsMade
	for i := range rendering.Objects {
		if found := podsMadeBy(&rendering.Objects[i]); found != nil {
			pods = append(pods, *found)
		}
	}
	for _, f := range functions {
		mine := mainPods(pods, f.container.FunctionKey)
		if mine == nil {
			addPods(&demand, requestsOf(f.offered()), f.size.Max)
			continue
		}
		mine.number = f.size.Max
	}
	for _, p := range pods {
		if p.object.Grid && grid != nil {
			p.number = max(grid.Nodes, grid.Target)
		}
		addPods(&demand, p.requests, p.number)
	}
	return demand
}

// podsMade are the pods that one object makes.
type podsMade struct {
	object   *Object
	requests corev1.ResourceList
	number   int32
}

// mainPods are those that run a function, and not something beside it; nil for none.
func mainPods(pods []podsMade, function string) *podsMade {
	of := func(p podsMade) bool { return p.object.Function == function && !p.object.Grid }
	i := slices.IndexFunc(pods, func(p podsMade) bool { return of(p) && slices.Contains(p.object.Roles, v1alpha1.RoleWorkload) })
	if i < 0 {
		i = slices.IndexFunc(pods, of)
	}
	if i < 0 {
		return nil
	}
	return &pods[i]
}

// podsMadeBy reads an object that makes pods, whatever its kind, by where Kubernetes
// and those who follow it keep a pod's template; nil for other objects, and for a
// template that the API server would refuse.
func podsMadeBy(object *Object) *podsMade {
	content := object.Intent.Object
	if object.GroupVersionKind == corev1.SchemeGroupVersion.WithKind("Pod") {
		return podsWith(object, content, nil)
	}
	spec := mapAt(content, "spec")
	if job := mapAt(spec, "jobTemplate", "spec"); job != nil {
		spec = job
	}
	return podsWith(object, mapAt(spec, "template"), spec)
}

func podsWith(object *Object, template, workload map[string]any) *podsMade {
	content := mapAt(template, "spec")
	if _, isPod := content["containers"]; !isPod {
		return nil
	}
	// Only what decides about requests: a conversion of the whole costs several times
	// as much.
	sizes := only(content, "overhead", "resources")
	readable := areSizes(content["overhead"]) && haveSizes(content["resources"])
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := content[list].([]any)
		sized := make([]any, 0, len(containers))
		for _, container := range containers {
			if container, ok := container.(map[string]any); ok {
				sized = append(sized, only(container, "resources", "restartPolicy"))
				readable = readable && haveSizes(container["resources"])
			}
		}
		sizes[list] = sized
	}
	if !readable {
		return nil
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(sizes, &spec); err != nil {
		return nil
	}
	pods := &podsMade{object: object, requests: requestsOf(spec), number: 1}
	for _, name := range []string{"replicas", "parallelism"} {
		if number, ok, err := unstructured.NestedInt64(workload, name); ok && err == nil {
			pods.number = int32(min(max(number, 0), math.MaxInt32)) //nolint:gosec // within bounds
			break
		}
	}
	return pods
}

// haveSizes tells whether the requests and limits of a container are sizes that the API
// server takes. An expression of a template may have made them of anybody's text, so
// that they must not be converted unseen.
func haveSizes(resources any) bool {
	lists, _ := resources.(map[string]any)
	return areSizes(lists["requests"]) && areSizes(lists["limits"])
}

func areSizes(list any) bool {
	sizes, _ := list.(map[string]any)
	for _, size := range sizes {
		parsed, err := quantity.Parse(fmt.Sprint(size))
		if err != nil || parsed.Sign() < 0 || quantity.TooLarge(parsed) {
			return false
		}
	}
	return true
}

// offered is the pod of the function as far as it has a size.
func (f *function) offered() corev1.PodSpec {
	spec := corev1.PodSpec{Containers: []corev1.Container{{Resources: f.resources()}}}
	if f.sidecar != nil {
		spec.InitContainers = []corev1.Container{f.sidecar.Container}
	}
	return spec
}

// requestsOf is what the scheduler keeps free for a pod.
func requestsOf(spec corev1.PodSpec) corev1.ResourceList {
	for _, containers := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range containers {
			requestLimits(&containers[i].Resources)
		}
	}
	return resourcehelper.PodRequests(&corev1.Pod{Spec: spec}, resourcehelper.PodResourcesOptions{})
}

// requestLimits lets a resource that is only limited be requested as well, as the
// API server does.
func requestLimits(resources *corev1.ResourceRequirements) {
	for name, limit := range resources.Limits {
		if _, requested := resources.Requests[name]; requested {
			continue
		}
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		resources.Requests[name] = limit.DeepCopy()
	}
}

func addPods(demand *v1alpha1.UsedQuotas, requests corev1.ResourceList, number int32) {
	cpu, memory := requests[corev1.ResourceCPU].DeepCopy(), requests[corev1.ResourceMemory].DeepCopy()
	cpu.Mul(int64(number))
	memory.Mul(int64(number))
	demand.CPU.Add(cpu)
	demand.Memory.Add(memory)
	demand.Replicas = int32(min(int64(demand.Replicas)+int64(number), math.MaxInt32)) //nolint:gosec // within bounds
}

// only is a part of a map.
func only(content map[string]any, names ...string) map[string]any {
	part := make(map[string]any, len(names))
	for _, name := range names {
		if value, ok := content[name]; ok {
			part[name] = value
		}
	}
	return part
}

// mapAt is the map below a path, nil where there is none. It copies nothing.
func mapAt(content map[string]any, path ...string) map[string]any {
	for _, name := range path {
		below, ok := content[name].(map[string]any)
		if !ok {
			return nil
		}
		content = below
	}
	return content
}
