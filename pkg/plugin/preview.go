// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// PreviewOptions are the flags of the commands that show what would become of a
// deployment and change nothing: plan and render.
type PreviewOptions struct {
	*shared

	// Name is a deployment; empty means all that the files hold.
	Name string
	// Filenames are files, directories, http(s) URLs or - for standard input.
	Filenames []string
	// Recursive reads the subdirectories of directories too.
	Recursive bool
	// Output is empty, json or yaml.
	Output string

	preview preview
}

// preview is what tells the commands apart.
type preview struct {
	// verb and participle stand in messages, such as plan and planning.
	verb, participle string
	// subresource of the deployment that the server computes.
	subresource string
	// ofFiles computes it for a deployment of files.
	ofFiles func(context.Context, *connection, *fileObjects, *pmv1alpha1.ClassDeployment) (*unstructured.Unstructured, error)
	// print shows the answers to people.
	print func(*shared, []*unstructured.Unstructured) error
	// complete is false for an answer that tells of problems, and incomplete says so.
	complete   func(*unstructured.Unstructured) (bool, error)
	incomplete string
}

// newPreviewCommand completes a command with arguments, flags and what it does.
func newPreviewCommand(common *shared, p preview, cmd *cobra.Command) *cobra.Command {
	o := &PreviewOptions{shared: common, preview: p}
	cmd.Use = p.verb + " (DEPLOYMENT [-f FILE|DIR|URL|-] | -f FILE|DIR|URL|-)"
	cmd.GroupID = groupInspect
	cmd.Args = usageArgs(cobra.MaximumNArgs(1))
	cmd.Long += "\n\n" + exitCodesHelp
	cmd.RunE = run(o)
	addFileFlags(cmd, &o.Filenames, &o.Recursive)
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "json or yaml, for the answer of the Package Manager")
	return cmd
}

// Complete takes the name.
func (o *PreviewOptions) Complete(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		o.Name = args[0]
	}
	return nil
}

// Validate refuses flags that are missing or contradict each other.
func (o *PreviewOptions) Validate() error {
	if err := validateFilenames(o.Filenames); err != nil {
		return err
	}
	if o.Name == "" && len(o.Filenames) == 0 {
		return usageErrorf("nothing to %s is named: give a deployment or -f FILE", o.preview.verb)
	}
	return validateOutput(o.Output, "json", "yaml")
}

// Run asks the server about a deployment that it has, or about those of files.
func (o *PreviewOptions) Run(cmd *cobra.Command) error {
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
	var answers []*unstructured.Unstructured
	if len(o.Filenames) == 0 {
		answers, err = o.stored(ctx, c)
	} else if err = setNamespaces(items, c.namespace, c.enforceNamespace); err == nil {
		answers, err = o.files(ctx, c, items)
	}
	if err != nil {
		return err
	}
	return o.show(answers)
}

// show writes the answers, and fails where one tells of problems, also when it is
// for another program to read.
func (o *PreviewOptions) show(answers []*unstructured.Unstructured) error {
	var err error
	if o.Output != "" {
		err = printObjects(o.Out, answers, o.Output)
	} else {
		err = o.preview.print(o.shared, answers)
	}
	if err != nil {
		return err
	}
	for _, answer := range answers {
		complete, err := o.preview.complete(answer)
		if err != nil {
			return err
		}
		if !complete {
			return withCode(ExitFailed, errors.New(o.preview.incomplete))
		}
	}
	return nil
}

// stored asks about a deployment that the server has.
func (o *PreviewOptions) stored(ctx context.Context, c *connection) ([]*unstructured.Unstructured, error) {
	answer, err := c.resource(kindNamed("ClassDeployment"), c.namespace).Get(ctx, o.Name, metav1.GetOptions{}, o.preview.subresource)
	if apierrors.IsNotFound(err) && !notServed(err) {
		return nil, fmt.Errorf("no deployment is named %s in namespace %s: kubectl oaas status shows all", o.Name, c.namespace)
	}
	if err != nil {
		return nil, o.failed(o.Name, err)
	}
	return []*unstructured.Unstructured{answer}, nil
}

// files asks about the deployments of files: those that stand alone, and those that
// packages list.
func (o *PreviewOptions) files(ctx context.Context, c *connection, items []item) ([]*unstructured.Unstructured, error) {
	files := &fileObjects{packages: map[string]*pmv1alpha1.Package{}}
	for _, i := range items {
		if err := files.add(i); err != nil {
			return nil, err
		}
	}
	var answers []*unstructured.Unstructured
	for _, deployment := range files.deployments {
		if o.Name != "" && deployment.Name != o.Name {
			continue
		}
		answer, err := o.preview.ofFiles(ctx, c, files, deployment)
		if err != nil {
			return nil, o.failed(deployment.Name, err)
		}
		answers = append(answers, answer)
	}
	switch {
	case len(answers) > 0:
		return answers, nil
	case o.Name != "":
		return nil, fmt.Errorf("the files hold no deployment that is named %s", o.Name)
	default:
		return nil, errors.New("the files hold no deployment: there is nothing to " + o.preview.verb)
	}
}

// notServed tells a path that the server does not know from an object that it does
// not have: both are 404.
func notServed(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

func (o *PreviewOptions) failed(deployment string, err error) error {
	if notServed(err) {
		return fmt.Errorf("the Package Manager is older than this program and cannot %s: upgrade it", o.preview.verb)
	}
	return fmt.Errorf("%s %s: %w", o.preview.participle, title("ClassDeployment", deployment), err)
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
