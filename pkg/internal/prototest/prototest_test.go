// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"slices"
	"testing"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestUnset(t *testing.T) {
	unit := &deploymentv1.DeploymentRecord{
		Unit:   &deploymentv1.DeploymentUnit{Id: "u", Bindings: []*deploymentv1.MethodBinding{{Name: "a", Stateless: true}, {Name: "b", FunctionKey: "f"}}},
		Status: &deploymentv1.DeploymentStatus{},
	}
	got := Unset(unit)
	for _, path := range []string{"unit.namespace", "unit.bindings.async_execution", "status.condition", "resource_refs", "created_at"} {
		if !slices.Contains(got, path) {
			t.Errorf("%s is not among %v", path, got)
		}
	}
	for _, path := range []string{"unit", "unit.id", "unit.bindings.name", "unit.bindings.stateless", "unit.bindings.function_key", "status"} {
		if slices.Contains(got, path) {
			t.Errorf("%s is set, and said to be missing", path)
		}
	}
}
