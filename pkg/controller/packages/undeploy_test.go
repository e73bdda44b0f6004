// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// The cache may still show a package on its way out that is gone, or that has been
// published anew. Deployments that were made since are not to be removed.
func TestOnlyThePackageThatGoesTakesItsDeployments(t *testing.T) {
	going := makePackage(func(p *pmv1alpha1.Package) {
		p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: now}, []string{pmv1alpha1.PackageFinalizer}
	})
	deployment := &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", UID: "cart"},
		Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"},
	}
	for sentence, test := range map[string]struct {
		client *fake.Clientset
		goes   bool
	}{
		"the package goes":           {fake.NewClientset(going.DeepCopy(), deployment.DeepCopy()), true},
		"the package is gone":        {fake.NewClientset(deployment.DeepCopy()), false},
		"the package was made again": {fake.NewClientset(makePackage(func(p *pmv1alpha1.Package) { p.UID = "new" }), deployment.DeepCopy()), false},
	} {
		t.Run(sentence, func(t *testing.T) {
			factory := externalversions.NewSharedInformerFactory(test.client, 0).Pm().V1alpha1()
			c, err := New(Config{
				Client: test.client, Packages: factory.Packages(), ClassDeployments: factory.ClassDeployments(), Events: events.NewFakeRecorder(10),
			})
			if err != nil {
				t.Fatal(err)
			}
			for indexer, object := range map[interface{ Add(any) error }]any{c.packageIndex: going, c.deploymentIndex: deployment} {
				if err := indexer.Add(object); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.reconcile(t.Context(), types.NamespacedName{Namespace: "shop", Name: "store"}); err != nil {
				t.Error(err)
			}
			_, err = test.client.PmV1alpha1().ClassDeployments("shop").Get(t.Context(), "cart", metav1.GetOptions{})
			if apierrors.IsNotFound(err) != test.goes {
				t.Errorf("the deployment: %v; removed = %t wanted", err, test.goes)
			}
		})
	}
}
