// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package intent

import (
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Read returns the objects in files, one YAML document a file, ordered by path.
func Read(files fs.FS) ([]*unstructured.Unstructured, error) {
	paths, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	var objects []*unstructured.Unstructured
	for _, path := range paths {
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		encoded, err := yaml.YAMLToJSONStrict(content)
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", path, err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(encoded); err != nil {
			return nil, fmt.Errorf("decode %s: %w", path, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}
