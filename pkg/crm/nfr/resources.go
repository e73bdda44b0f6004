// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package nfr

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Resources of one replica of a function: the function's own, completed by the size
// that the requirements ask for, else by the template's, else by the default. What
// completes never contradicts what the user set: a request is lowered to the user's
// limit and a limit raised to the user's request. Nor does it exceed the ceiling;
// the user's own values are not cut, see Exceeds.
func (a Analysis) Resources(own, template v1alpha1.FunctionResources, ceiling Ceiling) corev1.ResourceRequirements {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for name, fallback := range a.fallbacks(template, ceiling) {
		complete(name, fallback, own, requests, limits)
	}
	for name, request := range own.Requests {
		requests[name] = request.DeepCopy()
	}
	for name, limit := range own.Limits {
		limits[name] = limit.DeepCopy()
	}
	for name, request := range requests {
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

// amount is what completes one resource; nil leaves the request or the limit open.
type amount struct{ request, limit *resource.Quantity }

func (a Analysis) fallbacks(template v1alpha1.FunctionResources, ceiling Ceiling) map[corev1.ResourceName]amount {
	fallbacks := map[corev1.ResourceName]amount{
		corev1.ResourceCPU:    {request: &a.CPU, limit: &a.CPU},
		corev1.ResourceMemory: {request: &a.Memory, limit: &a.Memory},
	}
	for _, name := range namesOf(template.Requests, template.Limits) {
		if _, ours := fallbacks[name]; ours && a.Sized {
			continue
		}
		fallbacks[name] = amount{request: find(template.Requests, name), limit: find(template.Limits, name)}
	}
	for name, most := range ceiling.MaxResources {
		if fallback, ok := fallbacks[name]; ok {
			fallbacks[name] = amount{request: lower(fallback.request, most), limit: lower(fallback.limit, most)}
		}
	}
	return fallbacks
}

func complete(name corev1.ResourceName, fallback amount, own v1alpha1.FunctionResources, requests, limits corev1.ResourceList) {
	request, hasRequest := own.Requests[name]
	limit, hasLimit := own.Limits[name]
	if fallback.request != nil {
		requests[name] = fallback.request.DeepCopy()
		if hasLimit && !hasRequest && limit.Cmp(*fallback.request) < 0 {
			requests[name] = limit.DeepCopy()
		}
	}
	if fallback.limit != nil {
		limits[name] = fallback.limit.DeepCopy()
		if hasRequest && !hasLimit && request.Cmp(*fallback.limit) > 0 {
			limits[name] = request.DeepCopy()
		}
	}
}

// Excess is a resource that a function asks more of than it may have.
type Excess struct {
	// Name of the resource.
	Name corev1.ResourceName
	// Asked is the greater of the function's request and limit.
	Asked resource.Quantity
	// Most is the ceiling.
	Most resource.Quantity
}

// Exceeds lists the resources of which a function itself asks for more than the
// ceiling, sorted by name.
func Exceeds(own v1alpha1.FunctionResources, ceiling Ceiling) []Excess {
	var excesses []Excess
	for _, name := range namesOf(ceiling.MaxResources) {
		most, asked := ceiling.MaxResources[name], resource.Quantity{}
		for _, list := range []corev1.ResourceList{own.Requests, own.Limits} {
			if size, ok := list[name]; ok && size.Cmp(asked) > 0 {
				asked = size
			}
		}
		if asked.Cmp(most) > 0 {
			excesses = append(excesses, Excess{Name: name, Asked: asked, Most: most})
		}
	}
	return excesses
}

// overcommittable resources may be requested without a limit. Devices and huge
// pages may not: Kubernetes refuses a pod that does not limit them as it requests
// them.
func overcommittable(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}
