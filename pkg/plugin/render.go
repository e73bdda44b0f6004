// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func newRenderCommand(common *shared) *cobra.Command {
	return newPreviewCommand(common, renderPreview(), &cobra.Command{
		Short: "Show the objects that the clusters would run, and change nothing",
		Long: `Show the objects that the clusters would run, and change nothing.

The Package Manager plans the deployment and asks the cluster of each unit what it would make of it,
with its templates and environments as they are. With -f: once the files are deployed. The objects are
written as YAML documents, unit by unit, in the order in which they would be applied; with -o the answer
itself is written. A plan that has problems, or a cluster that cannot tell, ends with exit code 4.`,
		Example: `  # Which objects run a deployment
  kubectl oaas render echo

  # Which objects a file would become
  kubectl oaas render -f echo.yaml`,
	})
}

func renderPreview() preview {
	return preview{
		verb: "render", participle: "rendering", subresource: "render",
		ofFiles: func(ctx context.Context, c *connection, files *fileObjects, deployment *pmv1alpha1.ClassDeployment) (*unstructured.Unstructured, error) {
			wanted, err := files.rendering(deployment)
			if err != nil {
				return nil, err
			}
			return c.resource(kindNamed("ClassDeployment"), deployment.Namespace).Create(ctx, wanted, metav1.CreateOptions{}, "render")
		},
		print:      printRenderings,
		complete:   renderingComplete,
		incomplete: "not everything can be rendered: see above",
	}
}

func renderingComplete(object *unstructured.Unstructured) (bool, error) {
	rendering, err := typed[pmv1alpha1.ClassDeploymentRendering](object)
	if err != nil {
		return false, err
	}
	silent := slices.ContainsFunc(rendering.Units, func(unit pmv1alpha1.RenderedUnit) bool { return unit.Message != "" })
	return len(rendering.Problems) == 0 && !silent, nil
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
		return nil, err
	}
	return &unstructured.Unstructured{Object: content}, nil
}

func printRenderings(o *shared, renderings []*unstructured.Unstructured) error {
	for _, object := range renderings {
		rendering, err := typed[pmv1alpha1.ClassDeploymentRendering](object)
		if err != nil {
			return err
		}
		for _, problem := range rendering.Problems {
			fmt.Fprintf(o.ErrOut, "%s: problem %s: %s\n", title("ClassDeployment", rendering.Name), problem.Reason, oneLine(problem.Message))
		}
		for i := range rendering.Units {
			unit := &rendering.Units[i]
			if unit.Message != "" {
				fmt.Fprintf(o.ErrOut, "%s in %s: %s\n", title("ClassDeployment", rendering.Name), orDash(unit.Environment), oneLine(unit.Message))
				continue
			}
			writeManifests(o.Out, unit)
		}
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
