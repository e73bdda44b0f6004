// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"oaas.io/oaas/pkg/generated/openapi"
)

const (
	peerGroup   = "bench.oaas.io"
	peerVersion = "v1alpha1"
	packageName = "io.oaas.oaas.pkg.apis.pm.v1alpha1.Package"
)

// peerDefinition is a custom resource of the same shape as our Package, made
// from the same OpenAPI definition, so that both hold and check the same fields.
func peerDefinition() (*apiextensionsv1.CustomResourceDefinition, error) {
	definitions := openapi.GetOpenAPIDefinitions(func(path string) spec.Ref {
		return spec.MustCreateRef("#/definitions/" + path)
	})
	root, err := schemaOf(definitions, packageName)
	if err != nil {
		return nil, err
	}
	root.Properties["metadata"] = apiextensionsv1.JSONSchemaProps{Type: "object"}
	scope := apiextensionsv1.NamespaceScoped
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "packages." + peerGroup},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: peerGroup,
			Scope: scope,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "packages", Singular: "package", Kind: "Package", ListKind: "PackageList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: peerVersion, Served: true, Storage: true,
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: root},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{
					{Name: "Version", Type: "string", JSONPath: ".spec.version"},
					{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
				},
			}},
		},
	}, nil
}

// schemaOf resolves every reference of a definition: a structural schema has
// none.
func schemaOf(definitions map[string]common.OpenAPIDefinition, name string) (*apiextensionsv1.JSONSchemaProps, error) {
	definition, ok := definitions[name]
	if !ok {
		return nil, fmt.Errorf("there is no OpenAPI definition %s", name)
	}
	content, err := json.Marshal(definition.Schema)
	if err != nil {
		return nil, fmt.Errorf("encoding definition %s: %w", name, err)
	}
	var tree any
	if err := json.Unmarshal(content, &tree); err != nil {
		return nil, fmt.Errorf("decoding definition %s: %w", name, err)
	}
	resolved, err := resolve(definitions, tree)
	if err != nil {
		return nil, err
	}
	if content, err = json.Marshal(resolved); err != nil {
		return nil, fmt.Errorf("encoding the schema of %s: %w", name, err)
	}
	var schema apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal(content, &schema); err != nil {
		return nil, fmt.Errorf("decoding the schema of %s: %w", name, err)
	}
	return &schema, nil
}

func resolve(definitions map[string]common.OpenAPIDefinition, node any) (any, error) {
	switch node := node.(type) {
	case []any:
		for i := range node {
			var err error
			if node[i], err = resolve(definitions, node[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			return resolveReference(definitions, strings.TrimPrefix(ref, "#/definitions/"), node)
		}
		// One reference with siblings is how OpenAPI writes a documented field.
		if all, ok := node["allOf"].([]any); ok && len(all) == 1 {
			target, err := resolve(definitions, all[0])
			if err != nil {
				return nil, err
			}
			return withDocumentation(target, node), nil
		}
		for key := range node {
			var err error
			if node[key], err = resolve(definitions, node[key]); err != nil {
				return nil, err
			}
		}
		// Defaults of objects would need the objects to be complete; ours are {}.
		if isEmptyObject(node["default"]) {
			delete(node, "default")
		}
	}
	return node, nil
}

func resolveReference(definitions map[string]common.OpenAPIDefinition, name string, node map[string]any) (any, error) {
	switch name {
	case "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return withDocumentation(map[string]any{"x-kubernetes-int-or-string": true}, node), nil
	case "io.k8s.apimachinery.pkg.apis.meta.v1.Time":
		return withDocumentation(map[string]any{"type": "string", "format": "date-time"}, node), nil
	case "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta":
		return map[string]any{"type": "object"}, nil
	}
	schema, err := schemaOf(definitions, name)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(schema)
	if err != nil {
		return nil, fmt.Errorf("encoding the schema of %s: %w", name, err)
	}
	var target map[string]any
	if err := json.Unmarshal(content, &target); err != nil {
		return nil, fmt.Errorf("decoding the schema of %s: %w", name, err)
	}
	return withDocumentation(target, node), nil
}

func withDocumentation(target any, node map[string]any) any {
	if object, ok := target.(map[string]any); ok {
		if description, ok := node["description"]; ok {
			object["description"] = description
		}
	}
	return target
}

func isEmptyObject(value any) bool {
	object, ok := value.(map[string]any)
	return ok && len(object) == 0
}
