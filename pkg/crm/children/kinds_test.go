// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
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
	if resource, err := k.resource(old); err == nil {
		t.Fatalf("%s is kept as %s", old, resource)
	}
	if !k.served(old.GroupKind()) {
		t.Error("one template with a version that is no more made Deployments count as not served")
	}
	if _, err := k.resource(appsv1.SchemeGroupVersion.WithKind("Deployment")); err != nil {
		t.Errorf("the version that is served: %v", err)
	}
}
