// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestMisplaced(t *testing.T) {
	tests := map[string]struct {
		mapping           *v1alpha1.NamespaceMapping
		home              string
		tenant, namespace string
		// refused is a part of the error; empty where the record is welcome.
		refused string
	}{
		"without a mapping a record runs beside its ClassDeployment": {tenant: "a", namespace: "a"},
		"and nowhere else":                             {tenant: "a", namespace: "b", refused: `belong into namespace "a"`},
		"a record that names no tenant is its own":     {namespace: "b"},
		"one namespace for everything takes everybody": {home: "home", tenant: "a", namespace: "home"},
		"and is the only one":                          {home: "home", tenant: "a", namespace: "a", refused: `belong into namespace "home"`},
		"a prefix goes before the tenant":              {mapping: &v1alpha1.NamespaceMapping{Prefix: "prod-"}, tenant: "a", namespace: "prod-a"},
		"a record cannot claim another's namespace by naming no tenant": {
			mapping: &v1alpha1.NamespaceMapping{Prefix: "prod-"}, namespace: "prod-a", refused: `belong into namespace "prod-prod-a"`,
		},
		"a tenant cannot write into the namespace of another": {
			mapping: &v1alpha1.NamespaceMapping{Prefix: "prod-"}, tenant: "a", namespace: "prod-b", refused: `belong into namespace "prod-a"`,
		},
		"an entry of its own wins": {
			mapping: &v1alpha1.NamespaceMapping{Tenants: map[string]string{"a": "special"}, Prefix: "prod-"}, tenant: "a", namespace: "special",
		},
		"tenants without an entry are refused where only those are let in": {
			mapping: &v1alpha1.NamespaceMapping{OnlyTenants: true}, tenant: "a", namespace: "a", refused: "onlyTenants",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var config *v1alpha1.EnvironmentConfig
			if tc.mapping != nil {
				config = &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{Namespaces: *tc.mapping}}
			}
			record := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace}}
			record.Spec.DeploymentUnit.Namespace = tc.tenant
			err := Resolve("prod", config, Defaults{Namespace: tc.home}).Misplaced(record)
			switch {
			case tc.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("err = %v, want one with %q", err, tc.refused)
			}
		})
	}
}
