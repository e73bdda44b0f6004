// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// PlanREST serves the subresource plan: what would be done for a class deployment
// if it were planned now, by the planner that the controller uses and from what is
// stored now. It changes nothing.
type PlanREST struct{ planning }

var (
	_ rest.Getter         = (*PlanREST)(nil)
	_ rest.Storage        = (*PlanREST)(nil)
	_ rest.TableConvertor = (*PlanREST)(nil)
)

// NewPlan serves plans from what is stored of the three resources.
func NewPlan(deployments, packages rest.Getter, clusters rest.Lister) *PlanREST {
	return &PlanREST{planning{deployments: deployments, packages: packages, clusters: clusters}}
}

// New makes an empty plan.
func (*PlanREST) New() runtime.Object { return &pm.ClassDeploymentPlan{} }

// Destroy does nothing: the stores belong to their resources.
func (*PlanREST) Destroy() {}

// Get plans a class deployment.
func (r *PlanREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	deployment, err := r.stored(ctx, name, options)
	if err != nil {
		return nil, err
	}
	in, err := r.input(ctx, deployment, nil)
	if err != nil {
		return nil, err
	}
	made, err := planner.Make(in)
	if err != nil {
		return nil, fmt.Errorf("planning class deployment %s: %w", name, err)
	}
	preview := planner.Preview(deployment, made)
	answer := &pm.ClassDeploymentPlan{ObjectMeta: metav1.ObjectMeta{
		Name: deployment.Name, Namespace: deployment.Namespace, UID: deployment.UID, Generation: deployment.Generation,
		ResourceVersion: deployment.ResourceVersion, CreationTimestamp: deployment.CreationTimestamp,
	}}
	if err := v1alpha1.Convert_v1alpha1_Plan_To_pm_Plan(&preview, &answer.Plan, nil); err != nil {
		return nil, fmt.Errorf("converting the plan of class deployment %s: %w", name, err)
	}
	return answer, nil
}

// ConvertToTable renders a plan with a row for each unit.
func (*PlanREST) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	plan, ok := object.(*pm.ClassDeploymentPlan)
	if !ok {
		return nil, fmt.Errorf("cannot show %T in a table of plans", object)
	}
	table := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: plan.ResourceVersion}}
	if opts, ok := options.(*metav1.TableOptions); !ok || !opts.NoHeaders {
		table.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Action", Type: "string", Description: "What would be done with the unit."},
			{Name: "Environment", Type: "string", Description: "Environment that the unit runs in."},
			{Name: "Cluster", Type: "string", Description: "Cluster that the unit is for."},
			{Name: "Deployment ID", Type: "string", Description: "Name of the unit's record on the cluster."},
			{Name: "Functions", Type: "string", Description: "Functions with the bounds of their replicas."},
		}
	}
	for _, unit := range plan.Plan.Units {
		functions := make([]string, 0, len(unit.Functions))
		for _, function := range unit.Functions {
			functions = append(functions, fmt.Sprintf("%s %d-%d", function.Key, function.MinReplicas, function.MaxReplicas))
		}
		table.Rows = append(table.Rows, metav1.TableRow{
			Cells:  []any{string(unit.Action), unit.Environment, unit.Cluster, unit.DeploymentID, strings.Join(functions, ", ")},
			Object: runtime.RawExtension{Object: plan},
		})
	}
	return table, nil
}
