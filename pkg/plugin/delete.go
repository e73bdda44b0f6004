// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// DeleteOptions are the flags of kubectl oaas delete.
type DeleteOptions struct {
	*shared

	// Packages are names of packages.
	Packages []string
	// Deployments are names of deployments.
	Deployments []string
	// Filenames are files, directories, http(s) URLs or - for standard input.
	Filenames []string
	// Recursive reads the subdirectories of directories too.
	Recursive bool
	// Cascade undeploys all deployments of a package with it.
	Cascade bool
	// IgnoreNotFound takes what is not there for deleted.
	IgnoreNotFound bool
	// DryRun is none, client or server.
	DryRun string
	// Output is empty or name.
	Output string
	// Wait waits until everything is gone.
	Wait bool
	// Timeout bounds the wait.
	Timeout time.Duration

	dryRun dryRun
}

func newDeleteCommand(common *shared) *cobra.Command {
	o := &DeleteOptions{shared: common, DryRun: string(dryRunNone), Wait: true, Timeout: 5 * time.Minute}
	cmd := &cobra.Command{
		Use:     "delete (-f FILE|DIR|URL|- | PACKAGE... | --deployment NAME)",
		Short:   "Remove deployments and packages",
		GroupID: groupDeploy,
		Long: `Remove deployments and packages.

Deployments go first, then packages, each before those that it depends on, then clusters. A deployment
is gone when every cluster has confirmed it. A package takes its own deployments with it. One that other
deployments use is kept: delete them too, or pass --cascade to undeploy them with the package. One that
other packages depend on is kept in any case.

` + exitCodesHelp,
		Example: `  # What a file deployed
  kubectl oaas delete -f echo.yaml

  # A package with all its deployments
  kubectl oaas delete echo --cascade

  # One deployment; the package stays published
  kubectl oaas delete --deployment echo`,
		RunE: run(o),
	}
	flags := cmd.Flags()
	addFileFlags(cmd, &o.Filenames, &o.Recursive)
	flags.StringSliceVar(&o.Deployments, "deployment", nil, "delete the deployment with this name; may be repeated")
	flags.BoolVar(&o.Cascade, "cascade", false, "undeploy all deployments of the packages with them")
	flags.BoolVar(&o.IgnoreNotFound, "ignore-not-found", false, "take what is not there for deleted")
	flags.StringVar(&o.DryRun, "dry-run", o.DryRun, "none, client (only find the objects) or server (let the server check, change nothing)")
	flags.Lookup("dry-run").NoOptDefVal = string(dryRunServer)
	flags.StringVarP(&o.Output, "output", "o", "", "print the names only: name")
	flags.BoolVar(&o.Wait, "wait", o.Wait, "wait until everything is gone, and show which cluster is waited for")
	flags.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long --wait waits")
	return cmd
}

// Complete takes the names.
func (o *DeleteOptions) Complete(_ *cobra.Command, args []string) (err error) {
	o.Packages = args
	o.dryRun, err = parseDryRun(o.DryRun)
	return err
}

// Validate refuses flags that are missing or contradict each other.
func (o *DeleteOptions) Validate() error {
	if err := validateFilenames(o.Filenames); err != nil {
		return err
	}
	named := len(o.Packages) + len(o.Deployments)
	switch {
	case named == 0 && len(o.Filenames) == 0:
		return usageErrorf("nothing to delete is named: give a package, --deployment NAME or -f FILE")
	case named > 0 && len(o.Filenames) > 0:
		return usageErrorf("names and -f contradict each other: use one of them")
	}
	if err := validateOutput(o.Output, "name"); err != nil {
		return err
	}
	if o.Timeout <= 0 {
		return usageErrorf("--timeout=%s is not a time to wait: give one above zero, such as 5m", o.Timeout)
	}
	return nil
}

// target is an object to delete.
type target struct {
	kind      kind
	namespace string
	name      string
	uid       types.UID
	// needs are the packages that a package depends on, with its namespace.
	needs []string
	// emptied is true for a package whose deployments are all among the targets.
	emptied bool
}

func (t target) title() string { return title(t.kind.name, t.name) }

// Run finds what is to go, and deletes it kind by kind.
func (o *DeleteOptions) Run(cmd *cobra.Command) error {
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
	if err := setNamespaces(items, c.namespace, c.enforceNamespace); err != nil {
		return err
	}
	targets, err := o.find(ctx, c, o.wanted(items, c.namespace))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
	defer cancel()
	for start := 0; start < len(targets); {
		end := start
		for end < len(targets) && targets[end].kind == targets[start].kind {
			end++
		}
		for _, wave := range dependentsFirst(targets[start:end]) {
			if err := o.deleteAll(ctx, c, wave); err != nil {
				return o.explain(err)
			}
		}
		start = end
	}
	return nil
}

// errTimeout is the cause of a context that ran out of the user's patience.
var errTimeout = errors.New("timed out")

// ended is why a context is over: errTimeout, or context.Canceled whatever signal
// is behind it.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return cause
	}
	return ctx.Err()
}

func (o *DeleteOptions) explain(err error) error {
	switch {
	case errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded):
		return withCode(ExitTimeout, fmt.Errorf("not gone after %s; the deletion goes on: kubectl oaas status shows what it waits for: %w", o.Timeout, err))
	case errors.Is(err, context.Canceled):
		return withCode(ExitInterrupted, errors.New("interrupted: the deletion goes on without being watched; kubectl oaas status shows what it waits for"))
	}
	return err
}

// wanted lists what the command line names, in the order of deleting.
func (o *DeleteOptions) wanted(items []item, namespace string) []target {
	var out []target
	for _, name := range o.Deployments {
		out = append(out, target{kind: kindNamed("ClassDeployment"), namespace: namespace, name: name})
	}
	for _, name := range o.Packages {
		out = append(out, target{kind: kindNamed("Package"), namespace: namespace, name: name})
	}
	for _, i := range slices.Backward(items) {
		out = append(out, target{kind: i.kind, namespace: i.GetNamespace(), name: i.GetName()})
	}
	return out
}

// dependentsFirst splits targets of one kind so that a package comes in an earlier
// wave than all that it depends on.
func dependentsFirst(targets []target) [][]target {
	names := make([]string, 0, len(targets))
	needs := make([][]string, 0, len(targets))
	for _, t := range targets {
		names = append(names, t.namespace+"/"+t.name)
		needs = append(needs, t.needs)
	}
	var out [][]target
	for _, level := range slices.Backward(levels(names, needs)) {
		wave := make([]target, 0, len(level))
		for _, i := range level {
			wave = append(wave, targets[i])
		}
		out = append(out, wave)
	}
	return out
}

// find looks the targets up, and refuses to pull a package from under deployments
// that stay, before anything is deleted.
func (o *DeleteOptions) find(ctx context.Context, c *connection, wanted []target) ([]target, error) {
	var errs []error
	var found []target
	for _, t := range wanted {
		u, err := c.resource(t.kind, t.namespace).Get(ctx, t.name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) && o.IgnoreNotFound:
			continue
		case apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("%s is not found in namespace %s: --ignore-not-found takes it for deleted", t.title(), t.namespace))
			continue
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", t.title(), err))
			continue
		}
		t.uid, t.needs = u.GetUID(), dependencyNames(u)
		found = append(found, t)
	}
	for i, t := range found {
		if t.kind.name != "Package" || o.Cascade {
			continue
		}
		users, stay, err := o.users(ctx, c, t, found)
		switch {
		case err != nil:
			errs = append(errs, err)
		case len(stay) > 0:
			errs = append(errs, inUse(t, stay))
		}
		found[i].emptied = users > 0
	}
	return found, errors.Join(errs...)
}

// users counts the deployments of a package, and names those that are neither its
// own nor among the targets.
func (o *DeleteOptions) users(ctx context.Context, c *connection, pkg target, targets []target) (count int, stay []string, err error) {
	list, err := c.resource(kindNamed("ClassDeployment"), pkg.namespace).List(ctx, metav1.ListOptions{FieldSelector: "spec.packageName=" + pkg.name})
	if err != nil {
		return 0, nil, fmt.Errorf("listing the deployments of %s: %w", pkg.title(), err)
	}
	for i := range list.Items {
		owner := metav1.GetControllerOf(&list.Items[i])
		if owner != nil && owner.UID == pkg.uid {
			continue
		}
		uid := list.Items[i].GetUID()
		if !slices.ContainsFunc(targets, func(t target) bool { return t.uid == uid }) {
			stay = append(stay, list.Items[i].GetName())
		}
	}
	return len(list.Items), stay, nil
}

func inUse(pkg target, users []string) error {
	return fmt.Errorf("%s is used by the deployments %s (409 Conflict): delete them first, or undeploy them with the package: kubectl oaas delete %s --cascade -n %s",
		pkg.title(), strings.Join(users, ", "), pkg.name, pkg.namespace)
}

// refusedDelete explains why the server keeps an object.
func (o *DeleteOptions) refusedDelete(ctx context.Context, c *connection, t target, err error) error {
	if apierrors.IsConflict(err) && t.kind.name == "Package" && !o.Cascade {
		// A deployment may have come since the targets were looked up.
		if _, stay, listErr := o.users(ctx, c, t, nil); listErr == nil && len(stay) > 0 {
			return inUse(t, stay)
		}
	}
	return fmt.Errorf("deleting %s: %w", t.title(), err)
}

// propagation is what happens to the deployments of a package. What is among the
// targets is on its way out, but there until every cluster has confirmed it, and
// without a wait, or in a dry run, that has not happened yet.
func (o *DeleteOptions) propagation(t target) metav1.DeletionPropagation {
	if t.kind.name == "Package" && (o.Cascade || t.emptied && (!o.Wait || o.dryRun != dryRunNone)) {
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}

// deleteAll deletes targets of one kind and waits until they are gone.
func (o *DeleteOptions) deleteAll(ctx context.Context, c *connection, targets []target) error {
	for _, t := range targets {
		if o.dryRun != dryRunClient {
			options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &t.uid}, PropagationPolicy: new(o.propagation(t))}
			if o.dryRun == dryRunServer {
				options.DryRun = []string{metav1.DryRunAll}
			}
			err := c.resource(t.kind, t.namespace).Delete(ctx, t.name, options)
			if err != nil && !apierrors.IsNotFound(err) {
				return o.refusedDelete(ctx, c, t, err)
			}
		}
		line := t.title()
		if o.Output == "" {
			line += " deleted" + o.dryRun.suffix()
		}
		fmt.Fprintln(o.Out, line)
	}
	if !o.Wait || o.dryRun != dryRunNone {
		return nil
	}
	return o.waitGone(ctx, c, targets)
}

// waitGone returns when none of the targets exists any more.
func (o *DeleteOptions) waitGone(ctx context.Context, c *connection, targets []target) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	type getter func(target) (*unstructured.Unstructured, error)
	getters := map[string]getter{}
	for _, t := range targets {
		if getters[t.namespace] != nil {
			continue
		}
		store, err := c.follow(following, t.kind, t.namespace, "", changed)
		if err != nil {
			return err
		}
		getters[t.namespace] = func(t target) (*unstructured.Unstructured, error) {
			key := types.NamespacedName{Namespace: t.namespace, Name: t.name}.String()
			if t.namespace == "" {
				key = t.name
			}
			object, exists, err := store.GetByKey(key)
			u, ok := object.(*unstructured.Unstructured)
			if err != nil || !exists || !ok || u.GetUID() != t.uid {
				return nil, err
			}
			return u, nil
		}
	}
	progress := newProgress(o.ErrOut)
	defer progress.clear()
	shown := map[string]string{}
	for {
		var block, news []string
		for _, t := range targets {
			u, err := getters[t.namespace](t)
			if err != nil {
				return err
			}
			if u == nil {
				continue
			}
			line := t.title() + ": " + removalText(u)
			if shown[t.namespace+"/"+t.name] != line {
				news = append(news, line)
			}
			shown[t.namespace+"/"+t.name] = line
			block = append(block, line)
		}
		progress.show(block, news)
		if len(block) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", strings.Join(block, "; "), ended(ctx))
		case <-changed:
		}
	}
}
