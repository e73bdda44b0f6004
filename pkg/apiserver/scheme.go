// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"oaas.io/oaas/pkg/apis/pm/install"
)

// NewScheme returns a scheme of everything that the server reads and writes.
func NewScheme() *runtime.Scheme {
	scheme := newDescribedScheme()
	// A body is decoded to the internal version of its kind whatever that is. Scale
	// is Kubernetes' own and has no other form here than that of its version.
	scheme.AddKnownTypes(schema.GroupVersion{Group: autoscalingv1.GroupName, Version: runtime.APIVersionInternal}, &autoscalingv1.Scale{})
	return scheme
}

// newDescribedScheme returns a scheme of everything that the OpenAPI description
// speaks of, under the names that clients know.
func newDescribedScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	scheme.AddKnownTypes(autoscalingv1.SchemeGroupVersion, &autoscalingv1.Scale{})

	// Options of list, get, watch and delete are decoded as v1 whatever the group
	// of the resource is, and so are the answers that belong to no resource.
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	scheme.AddUnversionedTypes(v1,
		&metav1.Status{},
		&metav1.APIVersions{},
		&metav1.APIGroupList{},
		&metav1.APIGroup{},
		&metav1.APIResourceList{},
	)
	return scheme
}

// NewCodecs returns the serializers of a scheme.
func NewCodecs(scheme *runtime.Scheme) serializer.CodecFactory {
	return serializer.NewCodecFactory(scheme)
}
