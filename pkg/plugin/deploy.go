// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// DeployOptions are the flags of kubectl oaas deploy.
type DeployOptions struct {
	*shared

	// Filenames are files, directories, http(s) URLs or - for standard input.
	Filenames []string
	// Recursive reads the subdirectories of directories too.
	Recursive bool
	// DryRun is none, client or server.
	DryRun string
	// Output is empty, name, json or yaml.
	Output string
	// Strict refuses unknown fields, which are warnings otherwise.
	Strict bool
	// ForceConflicts takes fields over from other field managers.
	ForceConflicts bool
	// Wait waits until the deployments are available.
	Wait bool
	// Timeout bounds the wait.
	Timeout time.Duration

	dryRun dryRun
}

func newDeployCommand(common *shared) *cobra.Command {
	o := &DeployOptions{shared: common, DryRun: string(dryRunNone), Timeout: 5 * time.Minute}
	cmd := &cobra.Command{
		Use:     "deploy -f FILE|DIR|URL|-",
		Short:   "Publish packages and deploy their classes",
		GroupID: groupDeploy,
		Args:    usageArgs(cobra.NoArgs),
		Long: `Publish packages and deploy their classes.

The files hold plain OaaS packages (snake_case YAML with name, classes, functions and deployments)
or Kubernetes manifests of pm.oaas.io, also both. All files are checked before anything is sent, and
all objects are tried on the server before anything is changed. Deploying the same file again changes
nothing. With --wait the command follows the deployments until they are available.

` + exitCodesHelp,
		Example: `  # Publish the package, deploy its class and follow it until it serves
  kubectl oaas deploy -f echo.yaml --wait

  # Everything in a directory and its subdirectories, as the server would take it
  kubectl oaas deploy -f packages/ -R --dry-run=server

  # From a pipe, refusing fields that nobody would read
  generate-package | kubectl oaas deploy -f - --strict`,
		RunE: run(o),
	}
	flags := cmd.Flags()
	addFileFlags(cmd, &o.Filenames, &o.Recursive)
	flags.StringVar(&o.DryRun, "dry-run", o.DryRun, "none, client (only read the files) or server (let the server check, change nothing)")
	flags.Lookup("dry-run").NoOptDefVal = string(dryRunServer)
	flags.StringVarP(&o.Output, "output", "o", "", "print the objects: name, json or yaml")
	flags.BoolVar(&o.Strict, "strict", false, "refuse unknown fields instead of warning of them")
	flags.BoolVar(&o.ForceConflicts, "force-conflicts", false, "take fields over that other field managers own")
	flags.BoolVar(&o.Wait, "wait", false, "wait until every deployment is available, and show the progress")
	flags.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long --wait waits")
	return cmd
}

func addFileFlags(cmd *cobra.Command, filenames *[]string, recursive *bool) {
	cmd.Flags().StringSliceVarP(filenames, "filename", "f", nil, "file, directory, http(s) URL or - for standard input; may be repeated")
	cmd.Flags().BoolVarP(recursive, "recursive", "R", false, "read the subdirectories of directories too")
}

// Complete parses what the flags spell.
func (o *DeployOptions) Complete(*cobra.Command, []string) (err error) {
	o.dryRun, err = parseDryRun(o.DryRun)
	return err
}

// Validate refuses flags that are missing or contradict each other.
func (o *DeployOptions) Validate() error {
	if err := validateFilenames(o.Filenames); err != nil {
		return err
	}
	if len(o.Filenames) == 0 {
		return usageErrorf("-f is missing: name a file, a directory, a URL or - for standard input")
	}
	if err := validateOutput(o.Output, "name", "json", "yaml"); err != nil {
		return err
	}
	if o.Wait && o.dryRun != dryRunNone {
		return usageErrorf("--wait and --dry-run=%s contradict each other: a dry run deploys nothing to wait for", o.dryRun)
	}
	if o.Timeout <= 0 {
		return usageErrorf("--timeout=%s is not a time to wait: give one above zero, such as 5m", o.Timeout)
	}
	return nil
}

func validateFilenames(filenames []string) error {
	pipes := 0
	for _, name := range filenames {
		switch name {
		case "":
			return usageErrorf("-f has an empty name")
		case "-":
			pipes++
		}
	}
	if pipes > 1 {
		return usageErrorf("-f - stands %d times: standard input can only be read once", pipes)
	}
	return nil
}

func validateOutput(output string, known ...string) error {
	if output == "" || slices.Contains(known, output) {
		return nil
	}
	return usageErrorf("--output=%s is not one of %v", output, known)
}

// Run reads, checks, applies and waits.
func (o *DeployOptions) Run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	items, err := o.readItems(ctx, o.Filenames, o.Recursive, o.Strict)
	if err != nil {
		return err
	}
	if o.dryRun == dryRunClient {
		return o.checkOnly(items)
	}
	c, err := o.connect(ctx)
	if err != nil {
		return err
	}
	if err := setNamespaces(items, c.namespace, c.enforceNamespace); err != nil {
		return err
	}
	a := &applier{connection: c, force: o.ForceConflicts, strict: o.Strict}
	if err := a.readBefore(ctx, items); err != nil {
		return err
	}
	if o.dryRun == dryRunNone && len(items) > 1 {
		// Half a package is worse than none.
		if _, err := a.applyAll(ctx, items, dryRunServer); err != nil {
			return fmt.Errorf("nothing was changed:\n%w", err)
		}
	}
	results, err := a.applyAll(ctx, items, o.dryRun)
	if printErr := printApplied(o.Out, results, o.Output, o.dryRun); err == nil {
		err = printErr
	}
	if err != nil || !o.Wait {
		return err
	}
	return o.wait(ctx, c, results)
}

// checkOnly shows what would be sent, without asking any server.
func (o *DeployOptions) checkOnly(items []item) error {
	namespace, enforce, err := o.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if err := setNamespaces(items, namespace, enforce); err != nil {
		return err
	}
	results := make([]applied, 0, len(items))
	for _, i := range items {
		results = append(results, applied{item: i, operation: opChecked, object: i.Unstructured})
	}
	return printApplied(o.Out, results, o.Output, dryRunClient)
}

func (o *DeployOptions) wait(ctx context.Context, c *connection, results []applied) error {
	wanted, err := toAwait(results)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		fmt.Fprintln(o.ErrOut, "There is no deployment to wait for: the files only publish packages.")
		return nil
	}
	out := o.Out
	if o.Output != "" {
		// The objects alone go to the standard output, for other programs to read.
		out = o.ErrOut
	}
	w := &waiter{connection: c, clock: o.clock, progress: newProgress(out), timeout: o.Timeout}
	started := o.clock.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
	defer cancel()
	var outcomes []*outcome
	if err = w.waitForOwn(ctx, results); err == nil {
		outcomes, err = w.wait(ctx, wanted)
	}
	switch {
	case errors.Is(err, errTimeout):
		return withCode(ExitTimeout, fmt.Errorf("not available after %s: %s does not answer", o.Timeout, c.host))
	case errors.Is(err, context.Canceled):
		var b strings.Builder
		b.WriteString("interrupted: the deployment goes on without being watched; to look at it:")
		for _, name := range wanted {
			fmt.Fprintf(&b, "\n  kubectl oaas status %s -n %s", name.Name, name.Namespace)
		}
		return withCode(ExitInterrupted, errors.New(b.String()))
	case err != nil:
		return err
	}
	return writeSummary(out, results, outcomes, o.clock.Since(started))
}

// toAwait are the applied deployments and those that applied packages list, each
// with the generation that its package got; one whose package is not among the
// results takes any.
func toAwait(results []applied) ([]awaited, error) {
	generations := map[types.NamespacedName]int64{}
	var wanted []awaited
	for _, r := range results {
		if r.kind.name != "Package" {
			continue
		}
		p, err := typed[pmv1alpha1.Package](r.object)
		if err != nil {
			return nil, err
		}
		generations[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p.Generation
		for _, own := range p.Spec.Deployments {
			wanted = append(wanted, awaited{
				NamespacedName: types.NamespacedName{Namespace: p.Namespace, Name: own.Name}, packageGeneration: p.Generation, own: true,
			})
		}
	}
	for _, r := range results {
		if r.kind.name != "ClassDeployment" {
			continue
		}
		d, err := typed[pmv1alpha1.ClassDeployment](r.object)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, awaited{
			NamespacedName:    types.NamespacedName{Namespace: d.Namespace, Name: d.Name},
			packageGeneration: generations[types.NamespacedName{Namespace: d.Namespace, Name: d.Spec.PackageName}],
		})
	}
	return wanted, nil
}

// readItems reads and parses what -f names.
func (s *shared) readItems(ctx context.Context, filenames []string, recursive, strict bool) ([]item, error) {
	r := &reader{stdin: s.In, recursive: recursive, client: &http.Client{Timeout: fetchTimeout}}
	inputs, err := r.readAll(ctx, filenames)
	if err != nil {
		return nil, err
	}
	return parseInputs(inputs, strict, s.ErrOut)
}
