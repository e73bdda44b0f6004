// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package install adds every version of the Package Manager's API to a scheme.
package install

import (
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Install adds the internal types and all versions, the preferred one first.
func Install(scheme *runtime.Scheme) {
	utilruntime.Must(pm.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(scheme.SetVersionPriority(v1alpha1.SchemeGroupVersion))
}
