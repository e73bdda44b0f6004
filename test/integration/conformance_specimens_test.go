// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// specimen is how the conformance tests get an object of a kind, change it and
// make it go away. Whoever adds a resource adds a specimen.
type specimen struct {
	// manifest of an object, for resources that users write; %s is its name.
	manifest string
	// cause makes an object of a computed resource come about, and returns its
	// name.
	cause func(t *testing.T, namespace, name string) string
	// touch changes the object, so that a watch tells.
	touch func(t *testing.T, namespace, name string)
	// remove makes the object go away.
	remove func(t *testing.T, namespace, name string)
}

const (
	specimenPackage = `
apiVersion: pm.oaas.io/v1alpha1
kind: Package
metadata: {name: %s, labels: {tier: gold}}
spec:
  version: 1.0.0
  classes:
  - {key: Cart, functionBindings: [{name: add, functionKey: Cart.add}]}
  functions:
  - {key: Cart.add, provision: {image: "registry.example/cart:1.0.0"}}
`
	specimenDeployment = `
apiVersion: pm.oaas.io/v1alpha1
kind: ClassDeployment
metadata: {name: %s, labels: {tier: gold}}
spec: {packageName: absent, classKey: Cart, nfr: {minThroughputRPS: 10}}
`
	specimenCluster = `
apiVersion: pm.oaas.io/v1alpha1
kind: Cluster
metadata: {name: %s, labels: {tier: gold}}
spec: {endpoint: "127.0.0.1:1", unschedulable: true, region: earth, tls: {}}
`
)

// specimens are there for every resource, by its name.
func specimens() map[string]specimen {
	patch := func(resource, body string) func(*testing.T, string, string) {
		return func(t *testing.T, namespace, name string) {
			t.Helper()
			if _, err := at(t, resource, namespace).Patch(t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(resource string) func(*testing.T, string, string) {
		return func(t *testing.T, namespace, name string) {
			t.Helper()
			if err := at(t, resource, namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]specimen{
		resources.Packages: {
			manifest: specimenPackage,
			touch:    patch(resources.Packages, `{"spec":{"description":"touched"}}`),
			remove:   remove(resources.Packages),
		},
		resources.ClassDeployments: {
			manifest: specimenDeployment,
			touch:    patch(resources.ClassDeployments, `{"spec":{"nfr":{"minThroughputRPS":11}}}`),
			remove:   remove(resources.ClassDeployments),
		},
		resources.Clusters: {
			manifest: specimenCluster,
			touch:    patch(resources.Clusters, `{"spec":{"region":"moon"}}`),
			remove:   remove(resources.Clusters),
		},
		resources.Classes:           partOfPackage("Cart", `{"spec":{"classes":[{"key":"Cart","description":"touched","functionBindings":[{"name":"add","functionKey":"Cart.add"}]}]}}`),
		resources.Functions:         partOfPackage("Cart.add", `{"spec":{"functions":[{"key":"Cart.add","description":"touched","provision":{"image":"registry.example/cart:1.0.0"}}]}}`),
		resources.DeploymentRecords: partOfDeployment(),
		resources.RuntimeStates:     partOfDeployment(),
	}
}

// partOfPackage is a specimen that a package's content makes.
func partOfPackage(key, touched string) specimen {
	return specimen{
		cause: func(t *testing.T, namespace, name string) string {
			t.Helper()
			create(t, resources.Packages, namespace, specimenPackage, name)
			return name + "." + key
		},
		touch: func(t *testing.T, namespace, name string) {
			t.Helper()
			pkg := name[:len(name)-len(key)-1]
			if _, err := at(t, resources.Packages, namespace).Patch(t.Context(), pkg, types.MergePatchType, []byte(touched), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		remove: func(t *testing.T, namespace, name string) {
			t.Helper()
			pkg := name[:len(name)-len(key)-1]
			emptied := `{"spec":{"classes":null,"functions":null}}`
			if _, err := at(t, resources.Packages, namespace).Patch(t.Context(), pkg, types.MergePatchType, []byte(emptied), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// partOfDeployment is a specimen that a running deployment makes: its cluster
// tells of it.
func partOfDeployment() specimen {
	return specimen{
		cause: func(t *testing.T, namespace, name string) string {
			t.Helper()
			create(t, resources.Packages, namespace, specimenPackage, name)
			create(t, resources.ClassDeployments, namespace, `
apiVersion: pm.oaas.io/v1alpha1
kind: ClassDeployment
metadata: {name: %[1]s}
spec: {packageName: %[1]s, classKey: Cart, nfr: {minThroughputRPS: 10}}
`, name)
			unit := waitAvailable(t, namespace, name).Status.Units[0]
			return unit.Cluster + "." + unit.DeploymentID
		},
		touch: func(t *testing.T, namespace, name string) {
			t.Helper()
			owner := ownerOf(t, namespace, name)
			more := `{"spec":{"nfr":{"minThroughputRPS":2500}}}`
			if _, err := at(t, resources.ClassDeployments, namespace).Patch(t.Context(), owner, types.MergePatchType, []byte(more), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		remove: func(t *testing.T, namespace, name string) {
			t.Helper()
			if err := at(t, resources.ClassDeployments, namespace).Delete(t.Context(), ownerOf(t, namespace, name), metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// ownerOf finds the class deployment with the unit that an object is named after.
func ownerOf(t *testing.T, namespace, name string) string {
	t.Helper()
	deployments, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, deployment := range deployments.Items {
		for _, unit := range deployment.Status.Units {
			if unit.Cluster+"."+unit.DeploymentID == name {
				return deployment.Name
			}
		}
	}
	t.Fatalf("no class deployment has the unit %s", name)
	return ""
}

// at is where the objects of a resource are, for the clients that know no types.
func at(t *testing.T, resource, namespace string) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(hub.config)
	if err != nil {
		t.Fatal(err)
	}
	all := client.Resource(v1alpha1.SchemeGroupVersion.WithResource(resource))
	if resources.Named(resource).ClusterScoped {
		return all
	}
	return all.Namespace(namespace)
}

func create(t *testing.T, resource, namespace, manifest, name string) *unstructured.Unstructured {
	t.Helper()
	created, err := at(t, resource, namespace).Create(t.Context(), objectOf(t, manifest, name), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func objectOf(t *testing.T, manifest, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, manifest, name), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

// obtain makes an object of a resource and returns its name. It goes away with
// the test.
func (s specimen) obtain(t *testing.T, resource resources.Resource, namespace, name string) string {
	t.Helper()
	if s.cause == nil {
		created := create(t, resource.Plural, namespace, s.manifest, name)
		if resource.ClusterScoped {
			t.Cleanup(func() {
				_ = hub.oaas.PmV1alpha1().Clusters().Delete(context.WithoutCancel(t.Context()), created.GetName(), metav1.DeleteOptions{})
			})
		}
		return created.GetName()
	}
	full := s.cause(t, namespace, name)
	eventually(t, resource.Singular+" "+full+" to come about", func(ctx context.Context) error {
		_, err := at(t, resource.Plural, namespace).Get(ctx, full, metav1.GetOptions{})
		return err
	})
	return full
}
