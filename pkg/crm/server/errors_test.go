// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// An etcd may take less than is usual.
func TestARecordThatEtcdDoesNotTakeIsTheCallersMistake(t *testing.T) {
	for sentence, err := range map[string]error{
		"the API server says so": apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
		"etcd says so":           errors.New("etcdserver: request is too large"),
		"etcd's client says so":  errors.New("rpc error: code = ResourceExhausted desc = trying to send message larger than max (2000 vs. 1000)"),
	} {
		t.Run(sentence, func(t *testing.T) {
			told := status.Convert(writeError(err, "shop"))
			if told.Code() != codes.InvalidArgument || len(told.Details()) != 1 {
				t.Fatalf("status = %v, want INVALID_ARGUMENT with details", told)
			}
			request, ok := told.Details()[0].(*errdetails.BadRequest)
			if !ok || len(request.GetFieldViolations()) != 1 || request.GetFieldViolations()[0].GetField() != "unit" {
				t.Errorf("details = %v, want a violation of the unit", told.Details())
			}
		})
	}
}
