// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

const namespace = "shop"

func echoPackage(name string) *v1alpha1.Package {
	return &v1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.PackageSpec{
			Version: "1.0",
			Classes: []v1alpha1.ClassDefinition{{
				Key:              "Echo",
				FunctionBindings: []v1alpha1.FunctionBinding{{Name: "echo", FunctionKey: "Echo.echo"}},
			}},
			Functions: []v1alpha1.FunctionDefinition{{
				Key: "Echo.echo", Provision: &v1alpha1.FunctionProvision{Image: "acme/echo:1"},
			}},
		},
	}
}

func echoDeployment(name string) *v1alpha1.ClassDeployment {
	return &v1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       v1alpha1.ClassDeploymentSpec{PackageName: "echo", ClassKey: "Echo"},
	}
}

// probe is one test against the server that they all share.
type probe struct {
	*testing.T
	*server
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
