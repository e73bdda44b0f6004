// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
)

func newTestKinds() *kinds {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{appsv1.SchemeGroupVersion})
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	return newKinds(mapper, clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestAVersionThatIsMissingTakesNoOtherAway(t *testing.T) {
	k := newTestKinds()
	old := schema.GroupVersionKind{Group: "apps", Version: "v1beta1", Kind: "Deployment"}
	resource, err := k.resource(old)
	if missing, ok := errors.AsType[*NotServedError](err); !ok || missing.ServedAs != "v1" {
		t.Fatalf("%s is kept as %s, %v; want it not to be served, and v1 in its place", old, resource, err)
	}
	if !k.served(old.GroupKind()) {
		t.Error("one template with a version that is no more made Deployments count as not served")
	}
	if _, err := k.resource(appsv1.SchemeGroupVersion.WithKind("Deployment")); err != nil {
		t.Errorf("the version that is served: %v", err)
	}
}

func TestVersionsOfADefinitionComeAndGo(t *testing.T) {
	k := newTestKinds()
	kind := schema.GroupKind{Group: "example.org", Kind: "Widget"}
	served := func(versions ...string) *definition {
		return &definition{kind: kind, plural: "widgets", versions: versions, namespaced: true, served: len(versions) > 0}
	}
	for sentence, test := range map[string]struct {
		definition *definition
		servedAs   string
		ok         bool
	}{
		"the version is served":                            {served("v2", "v1"), "", true},
		"another version is served":                        {served("v2"), "v2", false},
		"the definition serves nothing":                    {served(), "", false},
		"the definition is not ready or is on its way out": {&definition{kind: kind, plural: "widgets", versions: []string{"v1"}, namespaced: true}, "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			k.set(test.definition)
			_, err := k.resource(kind.WithVersion("v1"))
			missing, notServed := errors.AsType[*NotServedError](err)
			if (err == nil) != test.ok || notServed == test.ok || notServed && missing.ServedAs != test.servedAs {
				t.Errorf("err = %v, want ok %v, served as %q", err, test.ok, test.servedAs)
			}
		})
	}
}
