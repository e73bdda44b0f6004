// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

func newPlanCommand(common *shared) *cobra.Command {
	return newPreviewCommand(common, planPreview(), &cobra.Command{
		Short: "Show what would run where, and change nothing",
		Long: `Show what would run where, and change nothing.

With the name of a deployment: what the Package Manager would do for it now. With -f: what it would do
once the files are deployed, with the clusters as they are and with what runs already. A plan that has
problems ends with exit code 4.`,
		Example: `  # Why a deployment runs where it does, or does not run
  kubectl oaas plan echo

  # What deploying a file would create, update and remove
  kubectl oaas plan -f echo.yaml`,
	})
}

func planPreview() preview {
	return preview{
		verb: "plan", participle: "planning", subresource: "plan",
		ofFiles: func(ctx context.Context, c *connection, files *fileObjects, deployment *pmv1alpha1.ClassDeployment) (*unstructured.Unstructured, error) {
			return files.plan(ctx, c, deployment)
		},
		print:      printPlans,
		complete:   planComplete,
		incomplete: "the plan has problems: see above",
	}
}

func planComplete(object *unstructured.Unstructured) (bool, error) {
	plan, err := typed[pmv1alpha1.ClassDeploymentPlan](object)
	if err != nil {
		return false, err
	}
	return len(plan.Plan.Problems) == 0, nil
}

func printPlans(o *shared, plans []*unstructured.Unstructured) error {
	for i, object := range plans {
		plan, err := typed[pmv1alpha1.ClassDeploymentPlan](object)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(o.Out)
		}
		writePlan(o.Out, plan)
	}
	return nil
}

// plan plans one deployment of the files with everything else as it is on the
// server.
func (f *fileObjects) plan(ctx context.Context, c *connection, deployment *pmv1alpha1.ClassDeployment) (*unstructured.Unstructured, error) {
	live, err := read[pmv1alpha1.ClassDeployment](ctx, c, "ClassDeployment", deployment.Namespace, deployment.Name)
	if err != nil {
		return nil, err
	}
	if live != nil {
		spec := deployment.Spec
		deployment = live
		deployment.Spec = spec
	}
	list, err := c.resource(kindNamed("Cluster"), "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	clusters := make([]*pmv1alpha1.Cluster, 0, len(list.Items))
	for i := range list.Items {
		cluster, err := typed[pmv1alpha1.Cluster](&list.Items[i])
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, cluster)
	}
	in, err := planner.NewInput(deployment, clusters, func(name string) (*pmv1alpha1.Package, error) {
		return f.findPackage(ctx, c, deployment.Namespace, name)
	})
	if err != nil {
		return nil, err
	}
	made, err := planner.Make(in)
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pmv1alpha1.ClassDeploymentPlan{
		TypeMeta:   metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "ClassDeploymentPlan"},
		ObjectMeta: metav1.ObjectMeta{Namespace: deployment.Namespace, Name: deployment.Name},
		Plan:       planner.Preview(deployment, made),
	})
	if err != nil {
		return nil, err
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// findPackage prefers the files; nil when there is no package of that name.
func (f *fileObjects) findPackage(ctx context.Context, c *connection, namespace, name string) (*pmv1alpha1.Package, error) {
	if pkg := f.packages[namespace+"/"+name]; pkg != nil {
		return pkg, nil
	}
	return read[pmv1alpha1.Package](ctx, c, "Package", namespace, name)
}

// read returns nil for an object that does not exist.
func read[T any](ctx context.Context, c *connection, kindName, namespace, name string) (*T, error) {
	u, err := c.resource(kindNamed(kindName), namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", title(kindName, name), err)
	}
	return typed[T](u)
}

// writePlan shows what would be done, in sentences and a table.
func writePlan(out io.Writer, p *pmv1alpha1.ClassDeploymentPlan) {
	plan := &p.Plan
	var counts []string
	for _, action := range []pmv1alpha1.PlanAction{pmv1alpha1.PlanCreate, pmv1alpha1.PlanUpdate, pmv1alpha1.PlanKeep, pmv1alpha1.PlanRemove} {
		n := 0
		for _, unit := range plan.Units {
			if unit.Action == action {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d to %s", n, strings.ToLower(string(action))))
		}
	}
	if len(counts) == 0 {
		counts = []string{"no unit"}
	}
	fmt.Fprintf(out, "Plan of %s: %s\n", title("ClassDeployment", p.Name), strings.Join(counts, ", "))
	if r := plan.Requirements; r.ReplicationFactor > 0 {
		fmt.Fprintf(out, "Replicas of each function: %d to %d, for an availability that needs %d\n", r.MinReplicas, r.MaxReplicas, r.ReplicationFactor)
	}
	if plan.AchievedAvailability != "" {
		fmt.Fprintf(out, "Availability of the chosen clusters: %s\n", plan.AchievedAvailability)
	}
	if plan.Halted {
		fmt.Fprintln(out, "Nothing changes until the problems are solved: what runs stays as it is.")
	}
	for _, problem := range plan.Problems {
		fmt.Fprintf(out, "Problem %s: %s\n", problem.Reason, oneLine(problem.Message))
	}
	var rows [][]string
	for _, unit := range plan.Units {
		row := []string{string(unit.Action), orDash(unit.Environment), unit.Cluster, unit.DeploymentID, orDash(unit.Template)}
		if len(unit.Functions) == 0 {
			rows = append(rows, append(slices.Clone(row), "-", "-", "-"))
		}
		for _, function := range unit.Functions {
			rows = append(rows, append(slices.Clone(row), function.Key, fmt.Sprintf("%d-%d", function.MinReplicas, function.MaxReplicas), function.Image))
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
		writeTable(out, []string{"ACTION", "ENVIRONMENT", "CLUSTER", "DEPLOYMENT ID", "TEMPLATE", "FUNCTION", "REPLICAS", "IMAGE"}, rows)
	}
}
