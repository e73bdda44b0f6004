// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrNoLink means that there is no connection to a cluster, because the
	// cluster is unknown or its connection could not be set up.
	ErrNoLink = errors.New("no link to the cluster")
	// ErrBreakerOpen means that a call was not made, because the ones before it
	// failed.
	ErrBreakerOpen = errors.New("circuit breaker is open")
)

// Violation is one field that a cluster refused, or one thing that has to be put
// right on it.
type Violation struct {
	// Field path, or the subject of a failed precondition.
	Field string
	// Description of what is wrong.
	Description string
}

// Error is a call to a cluster that failed.
type Error struct {
	// Cluster that was called.
	Cluster string
	// Method that was called, such as Deploy.
	Method string
	// Code of the failure.
	Code codes.Code
	// Message of the cluster or of the transport.
	Message string
	// Violations that the cluster named.
	Violations []Violation
	// CorrelationID under which the cluster logged the call; empty when it was
	// not made.
	CorrelationID string

	cause error
}

// Error names the cluster, the call, the failure and what the cluster objects to.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "cluster %s: %s: %s", e.Cluster, e.Method, e.Message)
	if e.Code != codes.OK && e.Code != codes.Unknown && !errors.Is(e.cause, ErrBreakerOpen) && !errors.Is(e.cause, ErrNoLink) {
		fmt.Fprintf(&text, " (%s)", e.Code)
	}
	for i, violation := range e.Violations {
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		fmt.Fprintf(&text, "%s%s: %s", separator, violation.Field, violation.Description)
	}
	return text.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Unreachable is true when the cluster gave no answer of its own, so that the
// same call may succeed once the cluster is back.
func (e *Error) Unreachable() bool {
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Unknown:
		return true
	default:
		return false
	}
}

// Terminal is true when the same call fails again until the unit itself or the
// cluster's settings change.
func (e *Error) Terminal() bool {
	switch e.Code {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated,
		codes.Unimplemented, codes.OutOfRange, codes.AlreadyExists:
		return true
	default:
		return false
	}
}

// IsUnreachable is true for a call that got no answer, or was not made for that
// reason.
func IsUnreachable(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Unreachable()
}

// IsTerminal is true for a call that fails again until something changes.
func IsTerminal(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Terminal()
}

// IsNotFound is true when the cluster answered that there is no such record.
func IsNotFound(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Code == codes.NotFound
}

// NoLink is the error for a cluster without a connection.
func NoLink(cluster, method string) *Error {
	return &Error{Cluster: cluster, Method: method, Code: codes.Unavailable, Message: ErrNoLink.Error(), cause: ErrNoLink}
}

func newError(cluster, method, correlationID string, err error) *Error {
	failed := &Error{Cluster: cluster, Method: method, CorrelationID: correlationID, cause: err}
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		failed.Code = codes.Unavailable
		failed.Message = ErrBreakerOpen.Error() + " because earlier calls failed"
		failed.CorrelationID = ""
		failed.cause = fmt.Errorf("%w: %w", ErrBreakerOpen, err)
		return failed
	case errors.Is(err, context.DeadlineExceeded):
		failed.Code, failed.Message = codes.DeadlineExceeded, "no answer in time"
		return failed
	case errors.Is(err, context.Canceled):
		failed.Code, failed.Message = codes.Canceled, "canceled"
		return failed
	}
	answer := status.Convert(err)
	failed.Code, failed.Message = answer.Code(), answer.Message()
	if failed.Code == codes.DeadlineExceeded {
		// The transport's own words hold times that differ from call to call, and
		// would make every repetition look like news.
		failed.Message = "no answer in time"
	}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.BadRequest:
			for _, v := range detail.GetFieldViolations() {
				failed.Violations = append(failed.Violations, Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		case *errdetails.PreconditionFailure:
			for _, v := range detail.GetViolations() {
				failed.Violations = append(failed.Violations, Violation{Field: v.GetSubject(), Description: v.GetDescription()})
			}
		case *errdetails.QuotaFailure:
			for _, v := range detail.GetViolations() {
				failed.Violations = append(failed.Violations, Violation{Field: v.GetSubject(), Description: v.GetDescription()})
			}
		}
	}
	return failed
}
