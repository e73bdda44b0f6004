// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package knative gives tests the definition of the Knative Service as Knative
// itself ships it, so that what is rendered is held against the real schema.
package knative

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/hack/localcluster/binaries"
)

// definitions is the package of Knative Serving whose folder holds its definitions.
const definitions = "knative.dev/serving/config/core/300-resources"

// Definition is that of the kind Service in serving.knative.dev/v1, from the version
// that the nested module pins. The first call on a machine downloads some megabytes.
func Definition(ctx context.Context) (*apiextensionsv1.CustomResourceDefinition, error) {
	root, err := binaries.RepositoryRoot()
	if err != nil {
		return nil, fmt.Errorf("definition of the Knative Service: %w", err)
	}
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", definitions)
	list.Dir = filepath.Join(root, "test", "knative", "module")
	list.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	var complaint bytes.Buffer
	list.Stderr = &complaint
	dir, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s in %s: %w: %s", definitions, list.Dir, err, complaint.Bytes())
	}
	content, err := os.ReadFile(filepath.Join(string(bytes.TrimSpace(dir)), "service.yaml"))
	if err != nil {
		return nil, fmt.Errorf("definition of the Knative Service: %w", err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, definition); err != nil {
		return nil, fmt.Errorf("definition of the Knative Service: %w", err)
	}
	return definition, nil
}
