// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"testing"

	"sigs.k8s.io/randfill"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/internal/prototest"
)

func TestAClusterReadsAllOfAPackageThatItCanBeTold(t *testing.T) {
	p := &pm.Package{}
	// Nothing may be empty by chance.
	randfill.New().NilChance(0).NumElements(1, 1).Funcs(
		func(v *bool, _ randfill.Continue) { *v = true },
		func(v *string, _ randfill.Continue) { *v = "text" },
		func(v *int32, _ randfill.Continue) { *v = 32 },
		func(v *int64, _ randfill.Continue) { *v = 64 },
		func(v *pm.ConsistencyModel, _ randfill.Continue) { *v = pm.ConsistencyStrong },
		func(v *pm.AccessModifier, _ randfill.Continue) { *v = pm.AccessInternal },
		func(v *pm.FunctionType, _ randfill.Continue) { *v = pm.FunctionWasm },
	).Fill(&p.Spec)
	p.Name, p.Namespace, p.UID, p.Generation = "shop", "retail", "u", 1
	if missing := prototest.Unset(packageOf(p)); len(missing) > 0 {
		t.Errorf("these fields are never sent: %v", missing)
	}
}
