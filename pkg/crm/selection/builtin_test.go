// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// builtIn are the templates that come with the program, sorted by name.
func builtIn(tb testing.TB) []Candidate {
	tb.Helper()
	files, err := filepath.Glob("../../../artifacts/templates/*.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatalf("templates %v, error %v", files, err)
	}
	candidates := make([]Candidate, 0, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		template := &v1alpha1.DeploymentTemplate{}
		if err := yaml.UnmarshalStrict(content, template); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		candidates = append(candidates, Candidate{Name: template.Name, Spec: &template.Spec, Matches: true})
	}
	return candidates
}
