// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builtin brings the templates that come with the program to its cluster
// and leaves alone what somebody has edited there.
package builtin

import (
	"context"
	"fmt"
	"io/fs"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/intent"
)

// Apply brings every template in files to the given content, one YAML document a
// file. The client must not read from a cache. A template of which somebody else owns a field that the program would
// change is left as it is, whole: half of an old one and half of a new one is
// neither's.
func Apply(ctx context.Context, c client.Client, files fs.FS) error {
	templates, err := intent.Read(files)
	if err != nil {
		return fmt.Errorf("built-in templates: %w", err)
	}
	for _, wanted := range templates {
		// Not forced: what somebody else set is theirs, and the answer is a conflict.
		err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(v1alpha1.FieldManagerTemplates))
		switch {
		case apierrors.IsConflict(err):
			logf.FromContext(ctx).Info("built-in template was edited and is left as it is: delete it to get the present one at the next start",
				"template", wanted.GetName())
		case apierrors.IsForbidden(err):
			return fmt.Errorf("apply built-in template %s: %w: allow it, see artifacts/kustomize/crm/rbac.yaml", wanted.GetName(), err)
		case err != nil:
			return fmt.Errorf("apply built-in template %s: %w", wanted.GetName(), err)
		}
	}
	return nil
}
