// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

// What was made for a record goes on without being looked after while nobody can
// tell what should run. It may fail all the same, and the status has to tell.

// leftAlone is how the workload of a function is doing that is left alone.
type leftAlone struct {
	key       string
	ready     int32
	available bool
	trouble   *trouble
}

// runsPods tells which kinds run functions and tell by themselves how these are doing.
func runsPods(kind schema.GroupKind) bool {
	return kind.Group == "apps" || kind == schema.GroupKind{Group: "batch", Kind: "Job"} || kind == knativeService
}

// lookAtWhatRuns returns how the functions are doing that the status knows of. Those
// that no workload of a known kind runs are left out.
func (r *Reconciler) lookAtWhatRuns(ctx context.Context, record *v1alpha1.DeploymentRecord) ([]leftAlone, error) {
	if err := r.needKnown(ctx, record); err != nil {
		return nil, err
	}
	pods, err := r.podsOf(ctx, record)
	if err != nil {
		return nil, err
	}
	troubles := troublesOf(pods)
	owned := r.owned(record)
	var functions []leftAlone
	for _, function := range record.Status.FunctionContainerStatus {
		label := names.LabelValue(function.FunctionKey)
		f := leftAlone{key: function.FunctionKey}
		had := slices.ContainsFunc(record.Status.ResourceRefs, func(ref v1alpha1.ResourceReference) bool {
			return ref.Name == function.Workload && runsPods(kindOf(ref).GroupKind())
		})
		for _, live := range owned {
			if live.Labels[v1alpha1.LabelFunction] != label || !runsPods(live.Kind.GroupKind()) {
				continue
			}
			had = true
			// The function may have been on its way from one workload to another.
			f.ready = max(f.ready, live.Health.Ready)
			f.available = f.available || live.Health.Available && !live.Leaving()
		}
		if found, ok := troubles[label]; ok && (!found.ended || !f.available) {
			f.trouble = &found
		}
		if had {
			functions = append(functions, f)
		}
	}
	return functions, nil
}

// tellWhatRuns brings what a status says of functions up to date, and returns whether
// all of them serve; nil when nothing is known of any.
func tellWhatRuns(status *v1alpha1.DeploymentRecordStatus, functions []leftAlone) *verdict {
	if len(functions) == 0 {
		return nil
	}
	var missing []string
	var why *trouble
	for _, f := range functions {
		i := slices.IndexFunc(status.FunctionContainerStatus, func(s v1alpha1.FunctionContainerStatus) bool { return s.FunctionKey == f.key })
		status.FunctionContainerStatus[i].ReadyReplicas, status.FunctionContainerStatus[i].Message = f.ready, ""
		if f.trouble != nil {
			status.FunctionContainerStatus[i].Message = limitOfEach(f.trouble.reason+": "+f.trouble.text(), len(functions))
		}
		if !f.available {
			missing = append(missing, f.key)
			if why == nil && f.trouble != nil {
				why = &trouble{reason: f.trouble.reason, message: fmt.Sprintf("function %s: %s", f.key, f.trouble.text())}
			}
		}
	}
	switch {
	case why != nil:
		return &verdict{metav1.ConditionFalse, why.reason, why.message}
	case len(missing) > 0:
		return &verdict{metav1.ConditionFalse, ReasonStarting, "Replicas are missing of " + strings.Join(missing, ", ") + "."}
	default:
		return &verdict{metav1.ConditionTrue, ReasonServing, "Every function serves."}
	}
}
