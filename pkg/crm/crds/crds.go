// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crds brings the custom resource definitions to a cluster, or makes sure
// that they are there.
package crds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/drift"
	"oaas.io/oaas/pkg/crm/intent"
)

// establishTimeout is how long the API server gets to serve a new definition.
const establishTimeout = 30 * time.Second

// Apply brings every definition in files to the given content and waits until
// each is served. The client must not read from a cache.
func Apply(ctx context.Context, c client.Client, files fs.FS) error {
	wanted, err := intent.Read(files)
	if err != nil {
		return err
	}
	for _, crd := range wanted {
		name := crd.GetName()
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(crd),
			client.FieldOwner(v1alpha1.FieldManagerReconciler), client.ForceOwnership)
		if apierrors.IsForbidden(err) {
			return fmt.Errorf("apply custom resource definition %s: %w: allow it, or apply artifacts/crds as an administrator and start with --crds=check", name, err)
		}
		if err != nil {
			return fmt.Errorf("apply custom resource definition %s: %w", name, err)
		}
	}
	for _, crd := range wanted {
		if err := waitEstablished(ctx, c, crd); err != nil {
			return err
		}
	}
	return nil
}

// Check fails when a definition is missing, not served, or lacks something that
// files has: it was made by an older version. The client must not read from a
// cache.
func Check(ctx context.Context, c client.Client, files fs.FS) error {
	wanted, err := intent.Read(files)
	if err != nil {
		return err
	}
	var problems []error
	for _, want := range wanted {
		const remedy = "apply artifacts/crds of this version or start with --crds=apply"
		name := want.GetName()
		live, err := get(ctx, c, want)
		switch {
		case apierrors.IsNotFound(err):
			problems = append(problems, fmt.Errorf("custom resource definition %s is missing: %s", name, remedy))
			continue
		case err != nil:
			return err
		}
		spec := map[string]any{"spec": want.Object["spec"]}
		if path, found := drift.Find(spec, live.Object); found {
			problems = append(problems, fmt.Errorf("custom resource definition %s is of another version (%s differs): %s", name, path, remedy))
		} else if !established(live) {
			problems = append(problems, fmt.Errorf("custom resource definition %s is not served yet: see its conditions", name))
		}
	}
	return errors.Join(problems...)
}

func waitEstablished(ctx context.Context, c client.Client, crd *unstructured.Unstructured) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, establishTimeout, true, func(ctx context.Context) (bool, error) {
		live, err := get(ctx, c, crd)
		if err == nil && established(live) {
			// Discovery follows a moment later, and informers fail without it.
			last = probe(ctx, c, live)
			return last == nil, nil
		}
		last = err
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("wait until custom resource definition %s is served: %w", crd.GetName(), errors.Join(err, last))
	}
	return nil
}

// probe says whether objects of a definition can be found and read.
func probe(ctx context.Context, c client.Client, crd *unstructured.Unstructured) error {
	group, _, err := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, kindErr := unstructured.NestedString(crd.Object, "spec", "names", "listKind")
	versions, _, versionsErr := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err := errors.Join(err, kindErr, versionsErr); err != nil {
		return fmt.Errorf("read custom resource definition %s: %w", crd.GetName(), err)
	}
	for _, item := range versions {
		version, ok := item.(map[string]any)
		if !ok || version["served"] != true {
			continue
		}
		objects := &unstructured.UnstructuredList{}
		objects.SetAPIVersion(fmt.Sprintf("%s/%v", group, version["name"]))
		objects.SetKind(kind)
		if err := c.List(ctx, objects, client.Limit(1)); err != nil {
			return fmt.Errorf("list objects of custom resource definition %s: %w", crd.GetName(), err)
		}
	}
	return nil
}

func get(ctx context.Context, c client.Client, crd *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(crd.GroupVersionKind())
	if err := c.Get(ctx, client.ObjectKeyFromObject(crd), live); err != nil {
		return nil, fmt.Errorf("read custom resource definition %s: %w", crd.GetName(), err)
	}
	return live, nil
}

func established(crd *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(crd.Object, "status", "conditions")
	if err != nil {
		return false
	}
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == "Established" {
			return condition["status"] == "True"
		}
	}
	return false
}
