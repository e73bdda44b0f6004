// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// maxErrors is how many errors a client is told of. Each costs time to compare and
// to write, and an object can hold tens of thousands.
const maxErrors = 500

// Declared adds what the declared rules of an object's fields find to what others
// found. It works for requests and for writes of the server itself.
func Declared(
	ctx context.Context, scheme *runtime.Scheme, resource resources.Resource,
	obj, old runtime.Object, found field.ErrorList, kind operation.Type,
) field.ErrorList {
	if _, requested := genericapirequest.RequestInfoFrom(ctx); !requested {
		ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{
			IsResourceRequest: true, APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version, Resource: resource.Plural,
		})
	}
	return Bounded(rest.ValidateDeclarativelyWithMigrationChecks(ctx, scheme, obj, old, Bounded(found), kind, rest.DeclarativeValidationConfig{}))
}

// Bounded keeps the first errors, and says that there are more.
func Bounded(errs field.ErrorList) field.ErrorList {
	if len(errs) <= maxErrors {
		return errs
	}
	more := fmt.Errorf("%d more errors are not shown: put these right first", len(errs)-maxErrors)
	return append(errs[:maxErrors:maxErrors], &field.Error{Type: field.ErrorTypeTooMany, Field: "", BadValue: "", Detail: more.Error()})
}
