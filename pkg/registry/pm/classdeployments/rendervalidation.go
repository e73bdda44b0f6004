// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// validate applies to the parts of a rendering all rules that a create of the objects
// which they stand for would: what is rendered can be stored.
func (r *RenderREST) validate(ctx context.Context, wanted *pm.ClassDeploymentRendering, namespace, name string) field.ErrorList {
	path := field.NewPath("spec")
	if wanted.Spec == nil {
		return field.ErrorList{field.Required(path, "it holds what to render; without one, read what is stored instead")}
	}
	deployment := &pm.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: *wanted.Spec.Deployment.DeepCopy()}
	problems := moved(r.declared(ctx, resources.ClassDeployments, deployment, validation.ValidateClassDeployment(deployment)),
		map[string]*field.Path{"spec": path.Child("deployment")})

	seen := map[string]bool{}
	for i := range wanted.Spec.Packages {
		named, at := &wanted.Spec.Packages[i], path.Child("packages").Index(i)
		if seen[named.Name] {
			problems = append(problems, field.Duplicate(at.Child("name"), named.Name))
		}
		seen[named.Name] = true
		pkg := &pm.Package{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: named.Name}, Spec: *named.Spec.DeepCopy()}
		for j := range pkg.Spec.Deployments {
			// As when it is stored.
			if spec := &pkg.Spec.Deployments[j].Spec; spec.PackageName == "" {
				spec.PackageName = pkg.Name
			}
		}
		problems = append(problems, moved(r.declared(ctx, resources.Packages, pkg, validation.ValidatePackage(pkg)),
			map[string]*field.Path{"spec": at.Child("spec"), "metadata.name": at.Child("name")})...)
	}
	return problems
}

// declared adds what the declared rules of a resource find to what others found.
func (r *RenderREST) declared(ctx context.Context, resource string, object runtime.Object, found field.ErrorList) field.ErrorList {
	// The rules are those of a create of the object, not of the subresource that the
	// request is for, which has none.
	ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version, Resource: resource,
	})
	return stored.Declared(ctx, r.scheme, resources.Named(resource), object, nil, found, operation.Create)
}

// moved puts errors of an object where its parts are.
func moved(problems field.ErrorList, parts map[string]*field.Path) field.ErrorList {
	for _, problem := range problems {
		for from, to := range parts {
			if rest, ok := strings.CutPrefix(problem.Field, from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				problem.Field = to.String() + rest
				break
			}
		}
	}
	return problems
}
