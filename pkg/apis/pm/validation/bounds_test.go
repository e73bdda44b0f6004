// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

// A request holds 3 MiB at the most. What is wrong with it may be a hundred thousand
// things, of which only the first are told.
func TestWhatIsWrongTakesNoMoreMemoryThanTheRequest(t *testing.T) {
	name := func(n int) string { return fmt.Sprintf("%s-%02d", strings.Repeat("environment", 5), n) }
	for sentence, test := range map[string]struct {
		find func() field.ErrorList
		want int
	}{
		"templates of environments that the deployment has not": {want: 100_000, find: func() field.ErrorList {
			d := &pm.ClassDeployment{Spec: pm.ClassDeploymentSpec{PackageName: "p", ClassKey: "C", Templates: map[string]string{}}}
			for i := range 64 {
				d.Spec.TargetEnvironments = append(d.Spec.TargetEnvironments, name(i))
			}
			for i := range 100_000 {
				d.Spec.Templates[fmt.Sprintf("e%05d", i)] = "t"
			}
			return ValidateClassDeployment(d)
		}},
		"methods of functions that the package has not": {want: 100_000, find: func() field.ErrorList {
			p := &pm.Package{}
			for i := range shownKeys {
				p.Spec.Functions = append(p.Spec.Functions, pm.FunctionDefinition{Key: strings.Repeat("f", maxKeyLength-1) + fmt.Sprint(i), Type: pm.FunctionBuiltin})
			}
			for i := range 200 {
				class := pm.ClassDefinition{Key: fmt.Sprintf("C%d", i)}
				for range 500 {
					class.FunctionBindings = append(class.FunctionBindings, pm.FunctionBinding{Name: "m", FunctionKey: "x"})
				}
				p.Spec.Classes = append(p.Spec.Classes, class)
			}
			return ValidatePackage(p)
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			before := live()
			errs := test.find()
			taken := live() - before
			runtime.KeepAlive(errs)
			if len(errs) < test.want {
				t.Errorf("found %d errors, want %d", len(errs), test.want)
			}
			const room = 64 << 20
			t.Logf("%d errors take %d MiB", len(errs), taken>>20)
			if taken > room {
				t.Errorf("it took %d MiB, want at most %d MiB", taken>>20, room>>20)
			}
		})
	}
}

// live is the size of what is still in use.
func live() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // far from that much
}
