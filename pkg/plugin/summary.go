// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// printApplied shows what an apply did, or the objects that came back.
func printApplied(out io.Writer, results []applied, output string, dry dryRun) error {
	if output == "json" || output == "yaml" {
		objects := make([]*unstructured.Unstructured, 0, len(results))
		for _, r := range results {
			objects = append(objects, r.object)
		}
		return printObjects(out, objects, output)
	}
	for _, r := range results {
		line := r.title()
		if output == "" {
			line += " " + string(r.operation) + dry.suffix()
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	return nil
}

// printObjects writes one object as it is and several as a List, like kubectl.
func printObjects(out io.Writer, objects []*unstructured.Unstructured, output string) error {
	var content any
	if len(objects) == 1 {
		content = withoutBookkeeping(objects[0])
	} else {
		items := make([]any, 0, len(objects))
		for _, o := range objects {
			items = append(items, withoutBookkeeping(o))
		}
		content = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items}
	}
	var data []byte
	var err error
	if output == "json" {
		data, err = json.MarshalIndent(content, "", "    ")
		data = append(data, '\n')
	} else {
		data, err = yaml.Marshal(content)
	}
	if err != nil {
		return fmt.Errorf("writing the objects as %s: %w", output, err)
	}
	if _, err := out.Write(data); err != nil {
		return fmt.Errorf("writing the objects: %w", err)
	}
	return nil
}

// withoutBookkeeping leaves managedFields out, which are longer than the object.
func withoutBookkeeping(u *unstructured.Unstructured) map[string]any {
	clean := u.DeepCopy()
	unstructured.RemoveNestedField(clean.Object, "metadata", "managedFields")
	return clean.Object
}

// writeSummary shows what a deploy led to.
func writeSummary(out io.Writer, results []applied, outcomes []*outcome, took time.Duration) error {
	var b strings.Builder
	b.WriteByte('\n')
	for _, r := range results {
		if r.kind.name != "Package" {
			continue
		}
		version, _, _ := unstructured.NestedString(r.object.Object, "spec", "version")
		if version != "" {
			version = " " + version
		}
		fmt.Fprintf(&b, "Package     %s%s\n", r.object.GetName(), version)
	}
	var rows [][]string
	for _, o := range outcomes {
		if o.deployment == nil {
			continue
		}
		fmt.Fprintf(&b, "Deployment  %s: %s\n", o.name.Name, o.tracker.last)
		rows = append(rows, unitRows(o.deployment)...)
	}
	fmt.Fprintf(&b, "Available after %s.\n", took.Round(100*time.Millisecond))
	if len(rows) > 0 {
		b.WriteByte('\n')
		writeTable(&b, []string{"DEPLOYMENT", "CLUSTER", "ENVIRONMENT", "DEPLOYMENT ID", "FUNCTION", "READY", "URL"}, rows)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// unitRows has a row for each function of each unit; units whose functions have
// no workload get one without.
func unitRows(d *pmv1alpha1.ClassDeployment) [][]string {
	var rows [][]string
	for _, unit := range d.Status.Units {
		functions := unit.Functions
		if len(functions) == 0 {
			functions = []pmv1alpha1.FunctionStatus{{}}
		}
		for _, f := range functions {
			ready := "-"
			if f.Key != "" {
				ready = fmt.Sprintf("%d/%d", f.ReadyReplicas, f.Replicas)
			}
			rows = append(rows, []string{d.Name, unit.Cluster, orDash(unit.Environment), unit.DeploymentID, orDash(f.Key), ready, orDash(f.URL)})
		}
	}
	return rows
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// writeTable aligns columns like kubectl. What the server holds was written by
// others, who shall not write to the terminal.
func writeTable(out io.Writer, header []string, rows [][]string) {
	tab := printers.GetNewTabWriter(out)
	defer tab.Flush()
	fmt.Fprintln(tab, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(tab, printers.EscapeTerminal(strings.Join(row, "\t")))
	}
}
