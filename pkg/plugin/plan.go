// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
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

// PlanOptions are the flags of kubectl oaas plan.
type PlanOptions struct {
	*shared

	// Name is a deployment; empty means all that the files hold.
	Name string
	// Filenames are files, directories, http(s) URLs or - for standard input.
	Filenames []string
	// Recursive reads the subdirectories of directories too.
	Recursive bool
	// Output is empty, json or yaml.
	Output string
}

func newPlanCommand(common *shared) *cobra.Command {
	o := &PlanOptions{shared: common}
	cmd := &cobra.Command{
		Use:     "plan (DEPLOYMENT [-f FILE|DIR|URL|-] | -f FILE|DIR|URL|-)",
		Short:   "Show what would run where, and change nothing",
		GroupID: groupInspect,
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		Long: `Show what would run where, and change nothing.

With the name of a deployment: what the Package Manager would do for it now. With -f: what it would do
once the files are deployed, with the clusters as they are and with what runs already. A plan that has
problems ends with exit code 4.

` + exitCodesHelp,
		Example: `  # Why a deployment runs where it does, or does not run
  kubectl oaas plan echo

  # What deploying a file would create, update and remove
  kubectl oaas plan -f echo.yaml`,
		RunE: run(o),
	}
	addFileFlags(cmd, &o.Filenames, &o.Recursive)
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "json or yaml")
	return cmd
}

// Complete takes the name.
func (o *PlanOptions) Complete(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		o.Name = args[0]
	}
	return nil
}

// Validate refuses flags that are missing or contradict each other.
func (o *PlanOptions) Validate() error {
	if err := validateFilenames(o.Filenames); err != nil {
		return err
	}
	if o.Name == "" && len(o.Filenames) == 0 {
		return usageErrorf("nothing to plan is named: give a deployment or -f FILE")
	}
	return validateOutput(o.Output, "json", "yaml")
}

// Run asks the server, or plans what the files hold.
func (o *PlanOptions) Run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	var items []item
	if len(o.Filenames) > 0 {
		var err error
		if items, err = o.readItems(ctx, o.Filenames, o.Recursive, false); err != nil {
			return err
		}
	}
	c, err := o.connect(ctx)
	if err != nil {
		return err
	}
	var plans []*unstructured.Unstructured
	if len(o.Filenames) == 0 {
		plan, err := c.resource(kindNamed("ClassDeployment"), c.namespace).Get(ctx, o.Name, metav1.GetOptions{}, "plan")
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("no deployment is named %s in namespace %s: kubectl oaas status shows all", o.Name, c.namespace)
		}
		if err != nil {
			return fmt.Errorf("planning %s: %w", title("ClassDeployment", o.Name), err)
		}
		plans = append(plans, plan)
	} else {
		if err := setNamespaces(items, c.namespace, c.enforceNamespace); err != nil {
			return err
		}
		if plans, err = o.planFiles(ctx, c, items); err != nil {
			return err
		}
	}
	return o.print(plans)
}

func (o *PlanOptions) print(plans []*unstructured.Unstructured) error {
	if o.Output != "" {
		return printObjects(o.Out, plans, o.Output)
	}
	complete := true
	for i, object := range plans {
		plan, err := typed[pmv1alpha1.ClassDeploymentPlan](object)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(o.Out)
		}
		writePlan(o.Out, plan)
		complete = complete && len(plan.Plan.Problems) == 0
	}
	if !complete {
		return withCode(ExitFailed, errors.New("the plan has problems: see above"))
	}
	return nil
}

// planFiles plans the deployments of files: those that stand alone, and those that
// packages list.
func (o *PlanOptions) planFiles(ctx context.Context, c *connection, items []item) ([]*unstructured.Unstructured, error) {
	files := &fileObjects{packages: map[string]*pmv1alpha1.Package{}}
	for _, i := range items {
		if err := files.add(i); err != nil {
			return nil, err
		}
	}
	var plans []*unstructured.Unstructured
	for _, deployment := range files.deployments {
		if o.Name != "" && deployment.Name != o.Name {
			continue
		}
		plan, err := files.plan(ctx, c, deployment)
		if err != nil {
			return nil, fmt.Errorf("planning %s: %w", title("ClassDeployment", deployment.Name), err)
		}
		plans = append(plans, plan)
	}
	switch {
	case len(plans) > 0:
		return plans, nil
	case o.Name != "":
		return nil, fmt.Errorf("the files hold no deployment that is named %s", o.Name)
	default:
		return nil, errors.New("the files hold no deployment: there is nothing to plan")
	}
}

// fileObjects are what files hold, as the server would have it.
type fileObjects struct {
	packages    map[string]*pmv1alpha1.Package
	deployments []*pmv1alpha1.ClassDeployment
}

func (f *fileObjects) add(i item) error {
	switch i.kind.name {
	case "Package":
		pkg, err := typed[pmv1alpha1.Package](i.Unstructured)
		if err != nil {
			return fmt.Errorf("%s: %w", i.where, err)
		}
		pmv1alpha1.SetObjectDefaults_Package(pkg)
		f.packages[pkg.Namespace+"/"+pkg.Name] = pkg
		for _, own := range pkg.Spec.Deployments {
			deployment := &pmv1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: pkg.Namespace, Name: own.Name}, Spec: own.Spec}
			deployment.Spec.PackageName = pkg.Name
			f.deployments = append(f.deployments, deployment)
		}
	case "ClassDeployment":
		deployment, err := typed[pmv1alpha1.ClassDeployment](i.Unstructured)
		if err != nil {
			return fmt.Errorf("%s: %w", i.where, err)
		}
		pmv1alpha1.SetObjectDefaults_ClassDeployment(deployment)
		f.deployments = append(f.deployments, deployment)
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
	in := planner.Input{Deployment: deployment, Dependencies: map[string]*pmv1alpha1.Package{}}
	if in.Package, err = f.findPackage(ctx, c, deployment.Namespace, deployment.Spec.PackageName); err != nil {
		return nil, err
	}
	if in.Package != nil {
		for _, dependency := range in.Package.Spec.Dependencies {
			found, err := f.findPackage(ctx, c, deployment.Namespace, dependency.Name)
			if err != nil {
				return nil, err
			}
			if found != nil {
				in.Dependencies[dependency.Name] = found
			}
		}
	}
	clusters, err := c.resource(kindNamed("Cluster"), "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	for i := range clusters.Items {
		cluster, err := typed[pmv1alpha1.Cluster](&clusters.Items[i])
		if err != nil {
			return nil, err
		}
		in.Clusters = append(in.Clusters, cluster)
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
