// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package clusters

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"

	"oaas.io/oaas/pkg/registry/pm/stored"
)

// NewStorage opens the store of clusters.
func NewStorage(scheme *runtime.Scheme, getter generic.RESTOptionsGetter) (*stored.Storage, error) {
	return stored.NewStorage(scheme, getter, resource())
}
