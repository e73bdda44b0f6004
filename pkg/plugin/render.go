// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// RenderOptions are the flags of kubectl oaas render.
type RenderOptions struct {
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

func newRenderCommand(common *shared) *cobra.Command {
	o := &RenderOptions{shared: common}
	cmd := &cobra.Command{
		Use:     "render (DEPLOYMENT [-f FILE|DIR|URL|-] | -f FILE|DIR|URL|-)",
		Short:   "Show the objects that the clusters would run, and change nothing",
		GroupID: groupInspect,
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		Long: `Show the objects that the clusters would run, and change nothing.

The Package Manager plans the deployment and asks the cluster of each unit what it would make of it,
with its templates and environments as they are. With -f: once the files are deployed. The objects are
written as YAML documents, unit by unit, in the order in which they would be applied; with -o the answer
itself is written. A plan that has problems, or a cluster that cannot tell, ends with exit code 4.

` + exitCodesHelp,
		Example: `  # Which objects run a deployment
  kubectl oaas render echo

  # Which objects a file would become
  kubectl oaas render -f echo.yaml`,
		RunE: run(o),
	}
	addFileFlags(cmd, &o.Filenames, &o.Recursive)
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "json or yaml, for the answer of the Package Manager")
	return cmd
}

// Complete takes the name.
func (o *RenderOptions) Complete(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		o.Name = args[0]
	}
	return nil
}

// Validate refuses flags that are missing or contradict each other.
func (o *RenderOptions) Validate() error {
	if err := validateFilenames(o.Filenames); err != nil {
		return err
	}
	if o.Name == "" && len(o.Filenames) == 0 {
		return usageErrorf("nothing to render is named: give a deployment or -f FILE")
	}
	return validateOutput(o.Output, "json", "yaml")
}

// Run asks the server.
func (o *RenderOptions) Run(cmd *cobra.Command) error {
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
	var renderings []*unstructured.Unstructured
	if len(o.Filenames) == 0 {
		rendering, err := c.resource(kindNamed("ClassDeployment"), c.namespace).Get(ctx, o.Name, metav1.GetOptions{}, "render")
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("no deployment is named %s in namespace %s: kubectl oaas status shows all", o.Name, c.namespace)
		}
		if err != nil {
			return fmt.Errorf("rendering %s: %w", title("ClassDeployment", o.Name), err)
		}
		renderings = append(renderings, rendering)
	} else {
		if err := setNamespaces(items, c.namespace, c.enforceNamespace); err != nil {
			return err
		}
		if renderings, err = o.renderFiles(ctx, c, items); err != nil {
			return err
		}
	}
	return o.print(renderings)
}

// renderFiles renders the deployments of files: those that stand alone, and those
// that packages list.
func (o *RenderOptions) renderFiles(ctx context.Context, c *connection, items []item) ([]*unstructured.Unstructured, error) {
	files := &fileObjects{packages: map[string]*pmv1alpha1.Package{}}
	for _, i := range items {
		if err := files.add(i); err != nil {
			return nil, err
		}
	}
	var renderings []*unstructured.Unstructured
	for _, deployment := range files.deployments {
		if o.Name != "" && deployment.Name != o.Name {
			continue
		}
		wanted, err := files.rendering(deployment)
		if err != nil {
			return nil, err
		}
		rendering, err := c.resource(kindNamed("ClassDeployment"), deployment.Namespace).Create(ctx, wanted, metav1.CreateOptions{}, "render")
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", title("ClassDeployment", deployment.Name), err)
		}
		renderings = append(renderings, rendering)
	}
	switch {
	case len(renderings) > 0:
		return renderings, nil
	case o.Name != "":
		return nil, fmt.Errorf("the files hold no deployment that is named %s", o.Name)
	default:
		return nil, errors.New("the files hold no deployment: there is nothing to render")
	}
}

// rendering asks for a deployment of the files with all of their packages that its
// namespace has.
func (f *fileObjects) rendering(deployment *pmv1alpha1.ClassDeployment) (*unstructured.Unstructured, error) {
	spec := &pmv1alpha1.RenderingSpec{Deployment: deployment.Spec}
	for _, key := range slices.Sorted(maps.Keys(f.packages)) {
		if pkg := f.packages[key]; pkg.Namespace == deployment.Namespace {
			spec.Packages = append(spec.Packages, pmv1alpha1.NamedPackage{Name: pkg.Name, Spec: pkg.Spec})
		}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pmv1alpha1.ClassDeploymentRendering{
		TypeMeta:   metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "ClassDeploymentRendering"},
		ObjectMeta: metav1.ObjectMeta{Namespace: deployment.Namespace, Name: deployment.Name},
		Spec:       spec,
	})
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", title("ClassDeployment", deployment.Name), err)
	}
	return &unstructured.Unstructured{Object: content}, nil
}

func (o *RenderOptions) print(renderings []*unstructured.Unstructured) error {
	if o.Output != "" {
		return printObjects(o.Out, renderings, o.Output)
	}
	complete := true
	for _, object := range renderings {
		rendering, err := typed[pmv1alpha1.ClassDeploymentRendering](object)
		if err != nil {
			return err
		}
		for _, problem := range rendering.Problems {
			complete = false
			fmt.Fprintf(o.ErrOut, "%s: problem %s: %s\n", title("ClassDeployment", rendering.Name), problem.Reason, oneLine(problem.Message))
		}
		for i := range rendering.Units {
			unit := &rendering.Units[i]
			if unit.Message != "" {
				complete = false
				fmt.Fprintf(o.ErrOut, "%s in %s: %s\n", title("ClassDeployment", rendering.Name), orDash(unit.Environment), oneLine(unit.Message))
				continue
			}
			writeManifests(o.Out, unit)
		}
	}
	if !complete {
		return withCode(ExitFailed, errors.New("not everything can be rendered: see above"))
	}
	return nil
}

// writeManifests writes the objects of a unit so that kubectl can read them; what is
// told of the unit are comments.
func writeManifests(out io.Writer, unit *pmv1alpha1.RenderedUnit) {
	fmt.Fprintf(out, "# %s in %s on %s, namespace %s, by template %s\n",
		unit.DeploymentID, orDash(unit.Environment), unit.Cluster, orDash(unit.Namespace), orDash(unit.Template))
	for _, reason := range unit.Reasons {
		fmt.Fprintf(out, "#   %s\n", oneLine(reason))
	}
	for _, manifest := range unit.Manifests {
		fmt.Fprintf(out, "---\n%s\n", strings.TrimRight(manifest, "\n"))
	}
}
