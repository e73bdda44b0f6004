// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/oaasfile"
)

// item is an object of the API that a file describes.
type item struct {
	*unstructured.Unstructured
	kind  kind
	where string
	// file and source lead from what the server says to what the user wrote.
	file   string
	source oaasfile.Source
	// before is what the server had; nil for an object that it had not.
	before *unstructured.Unstructured
}

// title names an item like kubectl does: package.pm.oaas.io/echo.
func title(kindName, name string) string {
	return strings.ToLower(kindName) + "." + pmv1alpha1.GroupName + "/" + name
}

func (i item) title() string { return title(i.kind.name, i.GetName()) }

// parseInputs turns inputs into objects in the order of applying: clusters,
// packages, deployments. Nothing is returned when any input has a problem.
func parseInputs(inputs []input, strict bool, warnings io.Writer) ([]item, error) {
	var items []item
	var errs []error
	for _, in := range inputs {
		result, err := oaasfile.Parse(in.name, in.data, oaasfile.Options{Strict: strict})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, warning := range result.Warnings {
			fmt.Fprintf(warnings, "Warning: %s\n", warning)
		}
		for _, source := range result.Sources {
			i, err := toItem(in.name, source)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			items = append(items, i)
		}
	}
	if len(errs) == 0 && len(items) == 0 {
		return nil, errors.New("the files hold no package and no deployment")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	order := map[string]int{}
	for rank, k := range kinds() {
		order[k.name] = rank
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(order[a.kind.name], order[b.kind.name]) })
	return items, nil
}

func toItem(file string, source oaasfile.Source) (item, error) {
	where := fmt.Sprintf("%s:%d", file, source.Line)
	u, isManifest := source.Object.(*unstructured.Unstructured)
	if !isManifest {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(source.Object)
		if err != nil {
			return item{}, fmt.Errorf("%s: %w", where, err)
		}
		u = &unstructured.Unstructured{Object: content}
	}
	gvk := u.GroupVersionKind()
	if gvk.Group != pmv1alpha1.GroupName {
		return item{}, fmt.Errorf("%s: %s %s is of %s: only objects of %s are handled here, use kubectl apply -f for others",
			where, gvk.Kind, u.GetName(), gvk.GroupVersion(), pmv1alpha1.GroupName)
	}
	k := kindNamed(gvk.Kind)
	if k.name == "" || gvk.Version != pmv1alpha1.SchemeGroupVersion.Version {
		return item{}, fmt.Errorf("%s: kind %s of %s is not known: use Package, ClassDeployment or Cluster of %s",
			where, gvk.Kind, gvk.GroupVersion(), pmv1alpha1.SchemeGroupVersion)
	}
	// What a server fills in would be refused, or claimed, by an apply.
	unstructured.RemoveNestedField(u.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	return item{Unstructured: u, kind: k, where: where, file: file, source: source}, nil
}

// setNamespaces puts objects that name no namespace into the given one, and
// refuses objects that stand twice.
func setNamespaces(items []item, namespace string, enforce bool) error {
	type id struct {
		schema.GroupVersionKind
		namespace, name string
	}
	seen := map[id]string{}
	var errs []error
	for _, i := range items {
		switch own := i.GetNamespace(); {
		case !i.kind.namespaced:
			if own != "" {
				errs = append(errs, fmt.Errorf("%s: metadata.namespace: a %s belongs to no namespace: remove the field", i.where, i.kind.name))
			}
		case own == "":
			i.SetNamespace(namespace)
		case enforce && own != namespace:
			errs = append(errs, fmt.Errorf("%s: metadata.namespace: %q is not the namespace %q of --namespace: change one of them", i.where, own, namespace))
		}
		key := id{i.GroupVersionKind(), i.GetNamespace(), i.GetName()}
		if first, again := seen[key]; again {
			errs = append(errs, fmt.Errorf("%s: %s already stands at %s: rename or remove one of them", i.where, i.title(), first))
		}
		seen[key] = i.where
	}
	return errors.Join(errs...)
}
