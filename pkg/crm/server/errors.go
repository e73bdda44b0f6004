// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/quota"
)

// An error travels in headers, of which clients and proxies take a few KiB; without
// bounds, a unit with a thousand mistakes would end the connection and not tell one.
const (
	// violationsRoom is how much of the violations is told, in bytes; at least one is.
	violationsRoom = 2 << 10
	// maxViolation is the longest field and the longest text of a violation, in bytes.
	maxViolation = 512
)

// invalid is INVALID_ARGUMENT with one violation for each field, as far as there is
// room.
func invalid(problems field.ErrorList) error {
	return badRequest(len(problems), func(i int) (string, string) { return problems[i].Field, problems[i].ErrorBody() })
}

// badRequest asks for the field and the text of a violation if there is room to tell.
func badRequest(count int, violationOf func(int) (field, text string)) error {
	details := &errdetails.BadRequest{}
	var texts []string
	room := violationsRoom
	for i := range count {
		at, description := violationOf(i)
		violation := &errdetails.BadRequest_FieldViolation{Field: cut(at), Description: cut(description)}
		text := strings.TrimPrefix(violation.GetField()+": "+violation.GetDescription(), ": ")
		if room -= len(text); room < 0 && i > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", count-i))
			break
		}
		details.FieldViolations, texts = append(details.FieldViolations, violation), append(texts, text)
	}
	return withDetails(codes.InvalidArgument, strings.Join(texts, "; "), details)
}

func cut(text string) string {
	if len(text) <= maxViolation {
		return text
	}
	return strings.ToValidUTF8(text[:maxViolation], "") + "…"
}

// precondition is FAILED_PRECONDITION for something on the cluster.
func precondition(kind, subject, text string) error {
	return withDetails(codes.FailedPrecondition, text, &errdetails.PreconditionFailure{
		Violations: []*errdetails.PreconditionFailure_Violation{{Type: kind, Subject: subject, Description: text}},
	})
}

func withDetails(code codes.Code, text string, details protoadapt.MessageV1) error {
	s, err := status.New(code, text).WithDetails(details)
	if err != nil {
		return status.Error(code, text)
	}
	return s.Err()
}

func notFound(id string) error {
	return status.Errorf(codes.NotFound, "deployment %q does not exist on this cluster", id)
}

// exhausted is RESOURCE_EXHAUSTED for a quota of an environment, with what is used
// of it.
func exhausted(exceeded *quota.ExceededError) error {
	return withDetails(codes.ResourceExhausted, exceeded.Error(), &errdetails.QuotaFailure{
		Violations: []*errdetails.QuotaFailure_Violation{{
			Subject:     "environment:" + exceeded.Environment,
			Description: exceeded.Error(),
			ApiService:  v1alpha1.GroupName,
			QuotaMetric: exceeded.Resource,
			QuotaId:     "spec.quotas." + exceeded.Resource,
			QuotaDimensions: map[string]string{
				"environment": exceeded.Environment,
				"requested":   exceeded.Requested.String(),
				"used":        exceeded.Used.String(),
				"limit":       exceeded.Limit.String(),
			},
		}},
	})
}

// writeError tells why the API server did not take a record.
func writeError(err error, namespace string) error {
	switch {
	case tooLarge(err):
		return invalid(field.ErrorList{field.Invalid(field.NewPath("unit"), "<record>",
			"is larger than what a cluster can store, with an owner noted for each field: "+lessOfIt)})
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return precondition("NAMESPACE_TERMINATING", namespace, fmt.Sprintf("namespace %q is being removed: wait until it is gone and create it anew", namespace))
	case apierrors.IsNotFound(err) && kindOf(err) != kindNamespaces:
		return status.Error(codes.Unavailable, "the API server does not serve deployment records now: "+err.Error())
	case apierrors.IsNotFound(err):
		return precondition("NAMESPACE_MISSING", namespace, fmt.Sprintf("namespace %q does not exist on this cluster: create it", namespace))
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	return statusOf(err)
}

// tooLarge tells that etcd does not take an object for its size. The API server has no
// reason for that and passes on the words of etcd, or of its client.
func tooLarge(err error) bool {
	return apierrors.IsRequestEntityTooLargeError(err) ||
		strings.Contains(err.Error(), "etcdserver: request is too large") || strings.Contains(err.Error(), "trying to send message larger than max")
}

// kindNamespaces is how the API server names namespaces in its answers.
const kindNamespaces = "namespaces"

// kindOf names what the API server's answer is about.
func kindOf(err error) string {
	var reply apierrors.APIStatus
	if !errors.As(err, &reply) || reply.Status().Details == nil {
		return ""
	}
	return reply.Status().Details.Kind
}

// statusOf translates an error of the API server.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	var reply apierrors.APIStatus
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case apierrors.IsInvalid(err) && errors.As(err, &reply):
		return invalidOf(err, reply)
	case apierrors.IsNotFound(err):
		return status.Error(codes.NotFound, err.Error())
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return status.Error(codes.OutOfRange, "the resource version is too old: start anew without one")
	case apierrors.IsConflict(err):
		return status.Error(codes.Aborted, err.Error())
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsServiceUnavailable(err):
		return status.Error(codes.Unavailable, err.Error())
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		// Ours, not the caller's: it may call, but this program may not.
		return precondition("PERMISSION", "oaas-crm", "the Class Runtime Manager lacks a permission: "+err.Error())
	case apierrors.ReasonForError(err) == "":
		// Not an answer of the API server at all: it could not be reached.
		return status.Error(codes.Unavailable, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}

// invalidOf passes on what the API server found wrong with a record.
func invalidOf(err error, reply apierrors.APIStatus) error {
	if reply.Status().Details == nil || len(reply.Status().Details.Causes) == 0 {
		return badRequest(1, func(int) (string, string) { return "", err.Error() })
	}
	causes := reply.Status().Details.Causes
	return badRequest(len(causes), func(i int) (string, string) { return causes[i].Field, causes[i].Message })
}
