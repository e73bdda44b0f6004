// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clienttesting "k8s.io/client-go/testing"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
)

// A policy or a quota may refuse every one of the deployments that a package lists.
// The API takes no condition that tells of all of them.
func TestAPackageTellsOfHundredsOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := make([]string, 0, 500)
		for i := range cap(names) {
			names = append(names, fmt.Sprintf("d-%03d", i))
		}
		client, asked := run(t, makePackage(deploying(names...)), func(client *fake.Clientset) {
			client.PrependReactor("create", "classdeployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
				name := action.(clienttesting.CreateAction).GetObject().(*pmv1alpha1.ClassDeployment).Name
				return true, nil, apierrors.NewForbidden(pmv1alpha1.Resource("classdeployments"), name,
					errors.New("ValidatingAdmissionPolicy 'teams' with binding 'shop' denied request: a deployment must have a label that tells whose it is"))
			})
			client.PrependReactor("update", "packages", func(action clienttesting.Action) (bool, runtime.Object, error) {
				written := action.(clienttesting.UpdateAction).GetObject().(*pmv1alpha1.Package)
				if errs := metav1validation.ValidateConditions(written.Status.Conditions, field.NewPath("status", "conditions")); len(errs) > 0 {
					return true, nil, apierrors.NewInvalid(pmv1alpha1.SchemeGroupVersion.WithKind("Package").GroupKind(), written.Name, errs)
				}
				return false, nil, nil
			})
		})
		time.Sleep(10 * time.Second)
		store, err := client.PmV1alpha1().Packages("shop").Get(t.Context(), "store", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if store.Status.ObservedGeneration != store.Generation {
			t.Error("the status was not written")
		}
		if asked.since() == 0 {
			t.Error("the dependents were not looked at")
		}
	})
}
