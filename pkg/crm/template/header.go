// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// header checks what every object has, and returns its kind.
func (c *compiler) header(content map[string]any, path *field.Path) schema.GroupVersionKind {
	apiVersion := c.fixed(content, "apiVersion", path)
	kind := c.fixed(content, "kind", path)
	group, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		c.invalid(path.Child("apiVersion"), apiVersion, "%v", err)
	}
	of := group.WithKind(kind)
	if clusterScoped(of.GroupKind()) {
		c.invalid(path.Child("kind"), kind, "is outside of namespaces: a record has objects in its own namespace only")
	}
	if group.Group == v1alpha1.GroupName {
		c.invalid(path.Child("apiVersion"), apiVersion, "a record cannot make objects of OaaS itself")
	}
	if _, ok := content["status"]; ok {
		c.report(field.Forbidden(path.Child("status"), "the status is for others to write"))
	}
	c.metadata(content, path.Child("metadata"))
	return of
}

// fixed is the text of a field that holds no expression.
func (c *compiler) fixed(content map[string]any, name string, path *field.Path) string {
	text, ok := content[name].(string)
	switch {
	case !ok || text == "":
		c.report(field.Required(path.Child(name), "every object has one"))
	case strings.Contains(text, open):
		c.invalid(path.Child(name), text, "cannot be an expression: the kinds of a template are known before any record")
	}
	return text
}

func (c *compiler) metadata(content map[string]any, path *field.Path) {
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		c.report(field.Required(path.Child("name"), "give the object a name, such as ${ item.name }"))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		switch key {
		case "name", "labels", "annotations":
		case "namespace":
			c.report(field.Forbidden(path.Child(key), "objects go to the record's namespace: remove it"))
		case "ownerReferences":
			c.report(field.Forbidden(path.Child(key), "objects belong to the record: remove it"))
		default:
			c.report(field.Forbidden(path.Child(key), "a template sets name, labels and annotations only"))
		}
	}
	switch name := metadata["name"].(type) {
	case string:
		if name == "" {
			c.report(field.Required(path.Child("name"), "give the object a name, such as ${ item.name }"))
		} else if problems := validation.IsDNS1123Subdomain(name); !strings.Contains(name, open) && len(problems) > 0 {
			c.invalid(path.Child("name"), name, "%s", strings.Join(problems, ", "))
		}
	default:
		c.report(field.Required(path.Child("name"), "give the object a name, such as ${ item.name }"))
	}
}

// clusterScoped knows the kinds of Kubernetes that are outside of namespaces. Of
// others the record tells that uses the template.
func clusterScoped(kind schema.GroupKind) bool {
	switch kind.Group {
	case "apiextensions.k8s.io", "apiregistration.k8s.io", "admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io",
		"node.k8s.io", "scheduling.k8s.io", "certificates.k8s.io":
		return true
	case "":
		return sets.New("Namespace", "Node", "PersistentVolume", "ComponentStatus").Has(kind.Kind)
	case "rbac.authorization.k8s.io":
		return sets.New("ClusterRole", "ClusterRoleBinding").Has(kind.Kind)
	case "storage.k8s.io":
		return kind.Kind != "CSIStorageCapacity"
	case "networking.k8s.io":
		return sets.New("IngressClass", "IPAddress", "ServiceCIDR").Has(kind.Kind)
	default:
		return false
	}
}

// sizes checks what a replica has where nobody asks for more, as the API server would
// check it in every pod.
func (c *compiler) sizes(sizes v1alpha1.FunctionResources, path *field.Path) {
	for _, list := range []struct {
		name  string
		sizes corev1.ResourceList
	}{{"requests", sizes.Requests}, {"limits", sizes.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(list.sizes)) {
			at, size := path.Child(list.name).Key(string(name)), list.sizes[name]
			if problems := validation.IsQualifiedName(string(name)); len(problems) > 0 {
				c.invalid(at, string(name), "%s", strings.Join(problems, ", "))
			}
			if size.Sign() < 0 {
				c.invalid(at, size.String(), "must not be negative")
			}
			if limit, limited := sizes.Limits[name]; limited && size.Cmp(limit) > 0 {
				c.invalid(at, size.String(), "must not exceed the limit %s", limit.String())
			}
		}
	}
}
