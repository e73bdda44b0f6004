// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"fmt"
	"slices"
	"strings"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// NoTemplateError tells that no template can serve a record.
type NoTemplateError struct {
	// Candidates are all templates with what speaks against each.
	Candidates []v1alpha1.TemplateCandidate
}

// Error says of each template why it cannot serve.
func (e *NoTemplateError) Error() string {
	if len(e.Candidates) == 0 {
		return "the cluster has no template: apply one"
	}
	reasons := make([]string, 0, len(e.Candidates))
	for _, candidate := range e.Candidates {
		reasons = append(reasons, fmt.Sprintf("%s %s", candidate.Template, strings.Join(candidate.Reasons, " and ")))
	}
	return "no template can serve the record: " + strings.Join(reasons, "; ")
}

// PinnedError tells that the template which a record pins cannot serve it. There is
// no other choice: whoever pins a template means that one.
type PinnedError struct {
	// Template that the record pins.
	Template string
	// Reasons are all that speak against it; none where it does not exist.
	Reasons []string
	// Known are the names of the templates that exist, sorted.
	Known []string
}

// Error says why the template cannot serve and what to do.
func (e *PinnedError) Error() string {
	const remedy = "change the record, or leave selectedTemplate empty to let its requirements choose"
	if !slices.Contains(e.Known, e.Template) {
		return fmt.Sprintf("selectedTemplate %q does not exist; there are: %s: %s", e.Template, strings.Join(e.Known, ", "), remedy)
	}
	return fmt.Sprintf("selectedTemplate %q %s: %s", e.Template, strings.Join(e.Reasons, " and "), remedy)
}
