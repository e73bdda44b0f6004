// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"oaas.io/oaas/pkg/crm/children"
)

const (
	// conflictRetry is how often a name that somebody else holds is tried again:
	// that object is not ours to watch.
	conflictRetry = 15 * time.Second
	// slowRetry is how often something is tried again whose remedy wakes the record
	// by itself, should that be missed.
	slowRetry = time.Minute
)

// fault is why a child is not as it should be.
type fault struct {
	// reason of the record's conditions.
	reason string
	err    error
	// again is when to look again; 0 leaves it to the backoff of failures.
	again time.Duration
	// passing faults go away by themselves and are no news.
	passing bool
}

func (f *fault) Error() string { return f.err.Error() }

func (f *fault) Unwrap() error { return f.err }

// severity orders the reasons of faults, the worst last.
var severity = []string{ReasonApplyFailed, ReasonNamespaceTerminating, ReasonImmutable, ReasonKindNotServed, ReasonConflict}

func compareFaults(a, b *fault) int {
	return slices.Index(severity, a.reason) - slices.Index(severity, b.reason)
}

// taken says that somebody else's object has the name that a child needs.
func taken(kind, name string) *fault {
	return &fault{
		reason: ReasonConflict, again: conflictRetry,
		err: fmt.Errorf("%s %s exists and does not belong to the record: remove or rename it", kind, name),
	}
}

// unseen says that an object is there that no watch has told of yet. It passes as soon
// as one does, and is looked at less and less often, should the watch be broken.
func unseen(intent *unstructured.Unstructured) *fault {
	return &fault{
		reason: ReasonApplyFailed, passing: true,
		err: fmt.Errorf("%s %s was made and has not been seen by the watch yet", intent.GetKind(), intent.GetName()),
	}
}

// faultOf classifies what went wrong with one child.
func faultOf(err error) *fault {
	if known, ok := errors.AsType[*fault](err); ok {
		return known
	}
	f := &fault{reason: ReasonApplyFailed, err: err}
	_, notServed := errors.AsType[*children.NotServedError](err)
	_, clusterScoped := errors.AsType[*children.ClusterScopedError](err)
	switch {
	case notServed:
		f.reason, f.again = ReasonKindNotServed, slowRetry
	case clusterScoped:
		f.again = slowRetry
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		f.reason, f.again = ReasonNamespaceTerminating, conflictRetry
	case denied(err):
	case apierrors.IsConflict(err):
		f.again, f.passing = staleRetry, true
	case unreachable(err):
		f.passing = true
	}
	return f
}

// denied tells whether a webhook refused, which may do so with any code, also with
// one that says of everybody else that it passes.
func denied(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	message := status.Status().Message
	return strings.HasPrefix(message, "admission webhook ") && strings.Contains(message, " denied the request")
}

// unreachable tells whether the API server could not be asked or had no time, which
// says nothing about the record.
func unreachable(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err)
}

// couldBeImmutable tells whether the API server may have refused an update because
// of a field that cannot be changed. It names a field then, as its own validation
// does and policies and webhooks of others do not: what those refuse must not lead
// to the removal of anything.
func couldBeImmutable(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return false
	}
	return !slices.ContainsFunc(status.Status().Details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == "" })
}
