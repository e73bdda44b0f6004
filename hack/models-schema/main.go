// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command models-schema prints the OpenAPI v2 definitions of the aggregated API
// as JSON. applyconfiguration-gen embeds them so that a client can extract the
// fields that a field manager owns.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"oaas.io/oaas/pkg/generated/openapi"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(schema()); err != nil {
		fmt.Fprintf(os.Stderr, "models-schema: %v\n", err)
		os.Exit(1)
	}
}

func schema() *spec.Swagger {
	definitions := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef("#/definitions/" + name)
	})
	schemas := make(spec.Definitions, len(definitions))
	for name, definition := range definitions {
		schemas[name] = v2Schema(definition)
	}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "OaaS Package Manager", Version: "unversioned"}},
		Definitions: schemas,
	}}
}

// v2Schema returns the OpenAPI v2 form of a definition. A type whose v3 schema
// cannot be said in v2 (IntOrString, Quantity) carries the v2 one as an extension.
func v2Schema(definition common.OpenAPIDefinition) spec.Schema {
	if embedded, ok := definition.Schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
		return embedded
	}
	return definition.Schema
}
