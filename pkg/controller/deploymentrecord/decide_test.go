// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	webhookerrors "k8s.io/apiserver/pkg/admission/plugin/webhook/errors"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

func TestFaultsAreToldApart(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	terminating := apierrors.NewForbidden(deployments, "x", errors.New("namespace team is being terminated"))
	terminating.ErrStatus.Details.Causes = append(terminating.ErrStatus.Details.Causes, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause})
	cases := map[string]struct {
		err     error
		reason  string
		again   bool
		passing bool
	}{
		"somebody else's object":                 {err: taken("Service", "x"), reason: ReasonConflict, again: true},
		"a kind that the cluster does not have":  {err: &children.NotServedError{}, reason: ReasonKindNotServed, again: true},
		"a kind without a namespace":             {err: &children.ClusterScopedError{}, reason: ReasonApplyFailed, again: true},
		"a namespace on its way out":             {err: terminating, reason: ReasonNamespaceTerminating, again: true},
		"a webhook that refuses":                 {err: apierrors.NewForbidden(deployments, "x", errors.New("denied")), reason: ReasonApplyFailed},
		"a webhook that refuses with a conflict": {err: webhookerrors.ToStatusErr("friday", &metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Message: "no"}), reason: ReasonApplyFailed},
		"a webhook that refuses as if away":      {err: webhookerrors.ToStatusErr("friday", &metav1.Status{Code: 503, Reason: metav1.StatusReasonServiceUnavailable}), reason: ReasonApplyFailed},
		"a write in between":                     {err: apierrors.NewConflict(deployments, "x", errors.New("changed")), reason: ReasonApplyFailed, again: true, passing: true},
		"an API server that is away": {
			err:    &url.Error{Op: "Patch", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}},
			reason: ReasonApplyFailed, passing: true,
		},
		"an API server that has no time": {err: apierrors.NewTooManyRequests("later", 1), reason: ReasonApplyFailed, passing: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := faultOf(fmt.Errorf("apply: %w", tc.err))
			if got.reason != tc.reason || (got.again > 0) != tc.again || got.passing != tc.passing {
				t.Errorf("fault = %+v, want reason %s, again %t, passing %t", got, tc.reason, tc.again, tc.passing)
			}
		})
	}
}

func TestOnlyTheAPIServersOwnValidationMakesAnew(t *testing.T) {
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	byValidation := apierrors.NewInvalid(kind, "x", field.ErrorList{field.Invalid(field.NewPath("spec", "selector"), "y", "field is immutable")})
	byPolicy := apierrors.NewInvalid(kind, "x", nil)
	byPolicy.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "not on a Friday"}}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"validation names a field":    {byValidation, true},
		"a policy names none":         {byPolicy, false},
		"something else is forbidden": {apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("no")), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := couldBeImmutable(fmt.Errorf("apply: %w", tc.err)); got != tc.want {
				t.Errorf("could be immutable = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestInventoryForgetsNothing(t *testing.T) {
	wanted := newRendering().Objects
	known := []v1alpha1.ResourceReference{
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "old", UID: "1"},
		{APIVersion: "apps/v1beta1", Kind: "Deployment", Name: "echo-say", UID: "2"},
		{APIVersion: "v1", Kind: "ConfigMap", Name: "data", UID: "3", Keep: true},
	}
	lost := &children.Object{Kind: schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}}
	lost.Name, lost.UID = "disk", "4"
	inventory := inventoryOf(known, wanted, []*children.Object{lost})
	got := make([]string, 0, len(inventory))
	for _, ref := range inventory {
		got = append(got, fmt.Sprintf("%s %s/%s %s %t", ref.APIVersion, ref.Kind, ref.Name, ref.UID, ref.Keep))
	}
	want := []string{
		"apps/v1 Deployment/echo-say 2 false", "v1 Service/echo-say  false", "apps/v1 StatefulSet/old 1 false",
		"v1 ConfigMap/data 3 true", "v1 PersistentVolumeClaim/disk 4 true",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("inventory = %q, want %q", got, want)
	}
	if covers(known, wanted) || !covers(inventory, wanted) {
		t.Error("an inventory covers what is wanted once all of it is listed, and not before")
	}
}

func TestDetailsWait(t *testing.T) {
	record := newRecord()
	started := computeStatus(record, seen(t, starting), noon)
	record.Status = started
	details := started.DeepCopy()
	details.FunctionContainerStatus[0].Message = "one of two"
	details.Phase = v1alpha1.PhasePodScheduling
	served := computeStatus(record, seen(t, serving), noon)
	troubled := computeStatus(record, seen(t, starting, func(o *observation) {
		o.troubles = map[string]trouble{"say": {reason: "ImagePullBackOff", message: "no such image"}}
	}), noon)
	resting := served.DeepCopy()
	resting.FunctionContainerStatus[0].ReadyReplicas = 0
	for name, tc := range map[string]struct {
		before, after *v1alpha1.DeploymentRecordStatus
		want          bool
	}{
		"numbers on the way":   {&started, details, false},
		"the end of the way":   {&started, &served, true},
		"trouble on the way":   {&started, &troubled, true},
		"numbers at rest":      {&served, resting, true},
		"the first of a start": {&v1alpha1.DeploymentRecordStatus{}, &started, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := urgent(tc.before, tc.after); got != tc.want {
				t.Errorf("urgent = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestFunctionsWaitForTheGridOnce(t *testing.T) {
	p := &pass{}
	workload := render.Object{Roles: []v1alpha1.ManifestRole{v1alpha1.RoleWorkload}}
	if !p.postpones(workload) {
		t.Error("a workload is made before the grid serves")
	}
	if p.postpones(render.Object{Grid: true, Roles: workload.Roles}) || p.postpones(render.Object{}) {
		t.Error("the grid itself and what runs nothing need not wait")
	}
	p.gridReady = true
	if p.postpones(workload) {
		t.Error("a workload waits although the grid serves")
	}
}

func TestTheNameToTryAnIntentWithIsNobodys(t *testing.T) {
	for _, name := range []string{"echo-box", "echo-boy", "echo-x", strings.Repeat("a", 63), strings.Repeat("b", 253)} {
		got := unusedName(name)
		if want := min(len(name), 65); len(got) != want || len(validation.IsDNS1035Label(got[:min(63, len(got))])) > 0 {
			t.Errorf("name %q of %d characters is tried as %q", name, len(name), got)
		}
		if got[:len(got)-1] == name[:len(got)-1] {
			t.Errorf("name %q is tried as %q, which a sibling may have", name, got)
		}
	}
}

// told keeps what is recorded.
type told struct{ notes []string }

func (r *told) Eventf(_, _ runtime.Object, _, reason, _, format string, args ...any) {
	r.notes = append(r.notes, reason+": "+fmt.Sprintf(format, args...))
}

func TestEventsFitTheAPIServer(t *testing.T) {
	recorder := &told{}
	r := &Reconciler{recorder: recorder}
	r.tell(newRecord(), "Warning", ReasonRecreating, strings.Repeat("ö", messageLimit))
	if note := strings.TrimPrefix(recorder.notes[0], ReasonRecreating+": "); len(note) > 1024 || !utf8.ValidString(note) {
		t.Errorf("an event has %d bytes, want 1024 at most that are text", len(note))
	}
	if reason := reasonOf(strings.Repeat("a", 500)); len(reason) > 128 {
		t.Errorf("a reason has %d characters, want 128 at most", len(reason))
	}
}

// broken renders nothing.
type broken struct {
	err error
}

func (b broken) Render(context.Context, *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	return nil, b.err
}

func (b broken) Outline(context.Context, *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	return nil, b.err
}

func (broken) Forget(types.NamespacedName) {}

func TestWhatPassesIsNotToldOfARecord(t *testing.T) {
	environments := schema.GroupResource{Group: "oaas.io", Resource: "environmentconfigs"}
	for sentence, cause := range map[string]error{
		"another wrote the quotas":     apierrors.NewConflict(environments, "dev", errors.New("changed")),
		"the API server has no time":   apierrors.NewTooManyRequests("busy", 1),
		"the API server does not hear": &url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}},
	} {
		t.Run(sentence, func(t *testing.T) {
			// Without a client, whoever writes a status fails.
			r := &Reconciler{renderer: broken{fmt.Errorf("reserve room: %w", cause)}}
			if _, err := r.converge(t.Context(), newRecord()); !errors.Is(err, cause) {
				t.Errorf("err = %v, want that it is tried again because of %v", err, cause)
			}
		})
	}
}
