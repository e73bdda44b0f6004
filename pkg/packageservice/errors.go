// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/reports"
)

// violationsLimit bounds an answer: it travels in the trailer, for which clients
// have little room.
const violationsLimit = 20

// invalid is INVALID_ARGUMENT with one violation for each field.
func invalid(problems field.ErrorList) error {
	details := &errdetails.BadRequest{}
	var texts []string
	for i, problem := range problems {
		if i == violationsLimit {
			texts = append(texts, fmt.Sprintf("and %d more", len(problems)-i))
			break
		}
		description := clip(problem.ErrorBody())
		details.FieldViolations = append(details.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: problem.Field, Description: description})
		texts = append(texts, problem.Field+": "+description)
	}
	s, err := status.New(codes.InvalidArgument, strings.Join(texts, "; ")).WithDetails(details)
	if err != nil {
		return status.Error(codes.InvalidArgument, strings.Join(texts, "; "))
	}
	return s.Err()
}

// statusOf translates an error of the stores. All of them pass: the store is
// overloaded, being opened or away.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, reports.ErrStopping), apierrors.ReasonForError(err) != "":
		return status.Error(codes.Unavailable, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}
