// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifests renders what artifacts/kustomize describes and brings it to
// a cluster.
package manifests

import (
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Folders of artifacts/kustomize that stand for an installation.
const (
	// Hub is for the cluster that users talk to.
	Hub = "hub"
	// Member is for every other cluster that runs deployments.
	Member = "member"
)

// Render returns the objects that a folder of artifacts/kustomize describes, in
// the order in which they can be applied. root is the repository's.
func Render(root, folder string) ([]*unstructured.Unstructured, error) {
	path := filepath.Join(root, "artifacts", "kustomize", folder)
	options := krusty.MakeDefaultOptions()
	// Namespaces and definitions come before what is in them.
	options.Reorder = krusty.ReorderOptionLegacy
	rendered, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", path, err)
	}
	objects := make([]*unstructured.Unstructured, 0, rendered.Size())
	for _, resource := range rendered.Resources() {
		content, err := resource.Map()
		if err != nil {
			return nil, fmt.Errorf("rendering %s of %s: %w", resource.CurId(), path, err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects, nil
}
