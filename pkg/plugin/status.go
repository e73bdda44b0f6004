// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// StatusOptions are the flags of kubectl oaas status.
type StatusOptions struct {
	*shared

	// Name is a deployment or a package; empty means all.
	Name string
	// AllNamespaces looks into every namespace.
	AllNamespaces bool
	// Output is empty, wide, name, json or yaml.
	Output string
	// Watch shows every change until interrupted.
	Watch bool
}

func newStatusCommand(common *shared) *cobra.Command {
	o := &StatusOptions{shared: common}
	cmd := &cobra.Command{
		Use:     "status [DEPLOYMENT|PACKAGE]",
		Short:   "Show packages and what became of their deployments",
		GroupID: groupInspect,
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		Long: `Show packages and what became of their deployments.

Without a name: a table of packages and one of deployments. With the name of a deployment or a package:
a tree from the package over its classes and units to the functions, with what each waits for.`,
		Example: `  # All packages and deployments of the namespace
  kubectl oaas status

  # One deployment, redrawn at every change
  kubectl oaas status echo --watch`,
		RunE: run(o),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "look into every namespace")
	flags.StringVarP(&o.Output, "output", "o", "", "wide, name, json or yaml")
	flags.BoolVarP(&o.Watch, "watch", "w", false, "show every change until interrupted")
	return cmd
}

// Complete takes the name.
func (o *StatusOptions) Complete(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		o.Name = args[0]
	}
	return nil
}

// Validate refuses flags that contradict each other.
func (o *StatusOptions) Validate() error {
	if err := validateOutput(o.Output, "wide", "name", "json", "yaml"); err != nil {
		return err
	}
	if o.Name != "" && o.AllNamespaces {
		return usageErrorf("a name and --all-namespaces contradict each other: name the namespace with -n")
	}
	if o.Watch && o.Output != "" && o.Output != "wide" {
		return usageErrorf("--watch and --output=%s contradict each other: kubectl get -w prints objects as they change", o.Output)
	}
	return nil
}

// snapshot is what status shows.
type snapshot struct {
	packages    []pmv1alpha1.Package
	deployments []pmv1alpha1.ClassDeployment
	objects     []*unstructured.Unstructured
	// versions are those of all packages, by namespace and name, whatever the
	// snapshot was narrowed to.
	versions map[string]string
}

// Run shows the present state, and every later one with --watch.
func (o *StatusOptions) Run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	c, err := o.connect(ctx)
	if err != nil {
		return err
	}
	namespace := c.namespace
	if o.AllNamespaces {
		namespace = metav1.NamespaceAll
	}
	if o.Watch {
		return o.watch(ctx, c, namespace)
	}
	var lists [2][]*unstructured.Unstructured
	for i, k := range []kind{kindNamed("Package"), kindNamed("ClassDeployment")} {
		list, err := c.resource(k, namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("listing %s: %w", k.resource, err)
		}
		for j := range list.Items {
			lists[i] = append(lists[i], &list.Items[j])
		}
	}
	s, err := newSnapshot(lists[0], lists[1])
	if err != nil {
		return err
	}
	return o.print(o.Out, s, namespace)
}

func (o *StatusOptions) watch(ctx context.Context, c *connection, namespace string) error {
	changed := make(chan struct{}, 1)
	var stores [2]cache.Store
	for i, k := range []kind{kindNamed("Package"), kindNamed("ClassDeployment")} {
		store, err := c.follow(ctx, k, namespace, "", changed)
		if err != nil {
			return err
		}
		stores[i] = store
	}
	screen := newProgress(o.Out)
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		s, err := newSnapshot(fromStore(stores[0]), fromStore(stores[1]))
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := o.print(&b, s, namespace); err != nil {
			fmt.Fprintln(&b, err)
		}
		if b.String() == last {
			continue
		}
		last = b.String()
		lines := strings.Split(strings.TrimRight(last, "\n"), "\n")
		screen.show(lines, append(lines, ""))
	}
}

func fromStore(store cache.Store) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, object := range store.List() {
		if u, ok := object.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
	}
	return out
}

// newSnapshot sorts by namespace and name.
func newSnapshot(packages, deployments []*unstructured.Unstructured) (*snapshot, error) {
	s := &snapshot{versions: map[string]string{}}
	for _, list := range [][]*unstructured.Unstructured{packages, deployments} {
		sort.Slice(list, func(i, j int) bool {
			a, b := list[i], list[j]
			if a.GetNamespace() != b.GetNamespace() {
				return a.GetNamespace() < b.GetNamespace()
			}
			return a.GetName() < b.GetName()
		})
		s.objects = append(s.objects, list...)
	}
	for _, u := range packages {
		p, err := typed[pmv1alpha1.Package](u)
		if err != nil {
			return nil, err
		}
		s.packages = append(s.packages, *p)
		s.versions[p.Namespace+"/"+p.Name] = p.Spec.Version
	}
	for _, u := range deployments {
		d, err := typed[pmv1alpha1.ClassDeployment](u)
		if err != nil {
			return nil, err
		}
		s.deployments = append(s.deployments, *d)
	}
	return s, nil
}

// only narrows the snapshot to a deployment with its package or, where no
// deployment has the name, to a package with its deployments.
func (s *snapshot) only(name string) *snapshot {
	packageName := name
	out := &snapshot{versions: s.versions}
	for _, d := range s.deployments {
		if d.Name == name {
			packageName = d.Spec.PackageName
			out.deployments = []pmv1alpha1.ClassDeployment{d}
		}
	}
	if len(out.deployments) == 0 {
		for _, d := range s.deployments {
			if d.Spec.PackageName == packageName {
				out.deployments = append(out.deployments, d)
			}
		}
	}
	for _, p := range s.packages {
		if p.Name == packageName {
			out.packages = append(out.packages, p)
		}
	}
	// A name that is only what deployments ask for, and no object, is not found.
	if len(out.packages) == 0 && (len(out.deployments) != 1 || out.deployments[0].Name != name) {
		return &snapshot{}
	}
	for _, u := range s.objects {
		for _, d := range out.deployments {
			if u.GetKind() == "ClassDeployment" && u.GetName() == d.Name {
				out.objects = append(out.objects, u)
			}
		}
		if u.GetKind() == "Package" && u.GetName() == packageName {
			out.objects = append(out.objects, u)
		}
	}
	return out
}

func (o *StatusOptions) print(out io.Writer, s *snapshot, namespace string) error {
	if o.Name != "" {
		s = s.only(o.Name)
		if len(s.packages)+len(s.deployments) == 0 {
			return fmt.Errorf("no deployment and no package is named %s in namespace %s: kubectl oaas status -A shows all", o.Name, namespace)
		}
	}
	switch o.Output {
	case "json", "yaml":
		return printObjects(out, s.objects, o.Output)
	case "name":
		for _, u := range s.objects {
			fmt.Fprintln(out, title(u.GetKind(), u.GetName()))
		}
		return nil
	}
	if len(s.packages)+len(s.deployments) == 0 {
		where := "in namespace " + namespace
		if o.AllNamespaces {
			where = "in any namespace"
		}
		fmt.Fprintf(out, "There is no package and no deployment %s. To make one: kubectl oaas deploy -f FILE\n", where)
		return nil
	}
	if o.Name != "" {
		writeTree(out, s)
		return nil
	}
	writeStatusTables(out, s, o.clock.Now(), o.AllNamespaces, o.Output == "wide")
	return nil
}

// writeStatusTables shows packages and deployments, one a row.
func writeStatusTables(out io.Writer, s *snapshot, now time.Time, namespaces, wide bool) {
	row := func(namespace string, cells ...string) []string {
		if namespaces {
			return append([]string{namespace}, cells...)
		}
		return cells
	}
	var rows [][]string
	for _, p := range s.packages {
		cells := row(p.Namespace, p.Name, orDash(p.Spec.Version), fmt.Sprint(len(p.Spec.Classes)), fmt.Sprint(len(p.Spec.Functions)),
			conditionWord(p.Status.Conditions, pmv1alpha1.PackageReady), age(p.CreationTimestamp, now))
		if wide {
			var needs, neededBy []string
			for _, dependency := range p.Spec.Dependencies {
				needs = append(needs, dependency.Name)
			}
			for _, dependent := range p.Status.Dependents {
				neededBy = append(neededBy, dependent.Name)
			}
			if more := int(p.Status.DependentCount) - len(neededBy); more > 0 {
				neededBy = append(neededBy, fmt.Sprintf("and %d more", more))
			}
			cells = append(cells, orDash(p.Spec.Author), orDash(strings.Join(p.Spec.Tags, ",")),
				orDash(strings.Join(needs, ",")), orDash(strings.Join(neededBy, ",")))
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		header := row("NAMESPACE", "PACKAGE", "VERSION", "CLASSES", "FUNCTIONS", "READY", "AGE")
		if wide {
			header = append(header, "AUTHOR", "TAGS", "DEPENDS ON", "NEEDED BY")
		}
		writeTable(out, header, rows)
	}
	if len(s.packages) > 0 && len(s.deployments) > 0 {
		fmt.Fprintln(out)
	}
	rows = nil
	for i := range s.deployments {
		d := &s.deployments[i]
		a := Assess(d, 0)
		cells := row(d.Namespace, d.Name, d.Spec.PackageName, d.Spec.ClassKey, a.Phase,
			fmt.Sprintf("%d/%d", a.AvailableUnits, a.Units), fmt.Sprintf("%d/%d", a.ReadyReplicas, a.Replicas), age(d.CreationTimestamp, now))
		if wide {
			var units []string
			for _, unit := range d.Status.Units {
				units = append(units, unit.Cluster+"/"+unit.DeploymentID)
			}
			cells = append(cells, orDash(strings.Join(units, ",")), orDash(a.WaitsFor))
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		header := row("NAMESPACE", "DEPLOYMENT", "PACKAGE", "CLASS", "PHASE", "UNITS", "READY", "AGE")
		if wide {
			header = append(header, "CLUSTER/ID", "WAITS FOR")
		}
		writeTable(out, header, rows)
	}
}
