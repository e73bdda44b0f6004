// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builtin brings the templates that come with the program to its cluster
// and leaves alone what somebody has edited there.
package builtin

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/intent"
)

// Apply brings every template in files to the given content, one YAML document a
// file. The client must not read from a cache. A template that somebody edited is left
// as it is, whole: half of an old one and half of a new one is neither's.
func Apply(ctx context.Context, c client.Client, files fs.FS) error {
	templates, err := intent.Read(files)
	if err != nil {
		return fmt.Errorf("built-in templates: %w", err)
	}
	for _, wanted := range templates {
		edited := false
		err := retry.OnError(retry.DefaultBackoff, isOutdated, func() (err error) {
			edited, err = apply(ctx, c, wanted)
			return err
		})
		switch {
		case apierrors.IsForbidden(err):
			return fmt.Errorf("apply built-in template %s: %w: allow it, see artifacts/kustomize/crm/rbac.yaml", wanted.GetName(), err)
		case err != nil:
			return fmt.Errorf("apply built-in template %s: %w", wanted.GetName(), err)
		case edited:
			logf.FromContext(ctx).Info("built-in template was edited and is left as it is: delete it to get the present one at the next start",
				"template", wanted.GetName())
		}
	}
	return nil
}

// apply brings one template to the given content, unless somebody edited it.
//
// Who changed a field owns it then, and an apply that is not forced is refused. Who
// took something out owns nothing: that the content changed without us is told by its
// generation, which we note with each of our own changes.
func apply(ctx context.Context, c client.Client, wanted *unstructured.Unstructured) (edited bool, err error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(wanted.GroupVersionKind())
	if err := c.Get(ctx, client.ObjectKeyFromObject(wanted), live); client.IgnoreNotFound(err) != nil {
		return false, err
	}
	write := func(note string, options ...client.ApplyOption) (generation int64, err error) {
		template := wanted.DeepCopy()
		// Empty for one that is not there.
		template.SetResourceVersion(live.GetResourceVersion())
		if note != "" {
			template.SetAnnotations(map[string]string{v1alpha1.AnnotationAppliedGeneration: note})
		}
		err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(template), append(options, client.FieldOwner(v1alpha1.FieldManagerTemplates))...)
		return template.GetGeneration(), err
	}
	generation, err := write("", client.DryRunAll)
	present, note := strconv.FormatInt(live.GetGeneration(), 10), live.GetAnnotations()[v1alpha1.AnnotationAppliedGeneration]
	next := strconv.FormatInt(generation, 10)
	switch {
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return true, nil
	case err != nil:
		return false, err
	case next == present && note == present:
		return false, nil
	case next != present && note != present && note != "":
		return true, nil
	}
	_, err = write(next)
	return false, err
}

// isOutdated tells that somebody wrote the template since it was read, as the program
// does that keeps its status.
func isOutdated(err error) bool {
	return apierrors.IsConflict(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}
