// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/version"
)

func nested(i item, path []string) (any, bool, error) {
	return unstructured.NestedFieldNoCopy(i.Object, path...)
}

// execute runs the program without a cluster.
func execute(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	in.WriteString(stdin)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	cmd := NewCommand(streams)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	if err != nil {
		PrintError(errOut, err)
	}
	return out.String(), errOut.String(), ExitCode(err)
}

func TestCommandLine(t *testing.T) {
	unknown := tinyPackage + "colour: red\n"
	tests := map[string]struct {
		args   []string
		stdin  string
		code   int
		stdout string
		stderr string
	}{
		"render needs something to render":               {args: []string{"render"}, code: 2, stderr: "nothing to render is named"},
		"render knows two forms":                         {args: []string{"render", "echo", "-o", "wide"}, code: 2, stderr: "--output=wide"},
		"deploy needs a file":                            {args: []string{"deploy"}, code: 2, stderr: "-f is missing"},
		"deploy takes no arguments":                      {args: []string{"deploy", "echo.yaml"}, code: 2, stderr: "unknown command"},
		"an unknown flag is wrong usage":                 {args: []string{"deploy", "--colour"}, code: 2, stderr: "unknown flag: --colour"},
		"an unknown command is wrong usage":              {args: []string{"deplyo"}, code: 2, stderr: "did you mean deploy?"},
		"standard input can be read once":                {args: []string{"deploy", "-f", "-", "-f", "-"}, code: 2, stderr: "can only be read once"},
		"a dry run has nothing to wait for":              {args: []string{"deploy", "-f", "-", "--wait", "--dry-run=server"}, code: 2, stderr: "contradict each other"},
		"an unknown dry run is wrong usage":              {args: []string{"deploy", "-f", "-", "--dry-run=maybe"}, code: 2, stderr: "none, client, server"},
		"an unknown output is wrong usage":               {args: []string{"deploy", "-f", "-", "-o", "xml"}, code: 2, stderr: "[name json yaml]"},
		"a timeout must be above zero":                   {args: []string{"deploy", "-f", "-", "--timeout=0s"}, code: 2, stderr: "above zero"},
		"a client dry run needs no cluster":              {args: []string{"deploy", "-f", "-", "--dry-run=client"}, stdin: tinyPackage, stdout: "package.pm.oaas.io/tiny checked (client dry run)\n"},
		"a client dry run prints what would be sent":     {args: []string{"deploy", "-f", "-", "--dry-run=client", "-o", "yaml", "-n", "here"}, stdin: tinyPackage, stdout: "  namespace: here\n"},
		"unknown fields are warnings":                    {args: []string{"deploy", "-f", "-", "--dry-run=client"}, stdin: unknown, stdout: "tiny", stderr: "Warning: standard input:4: colour: unknown field"},
		"strict refuses unknown fields":                  {args: []string{"deploy", "-f", "-", "--dry-run=client", "--strict"}, stdin: unknown, code: 1, stderr: "Error: standard input:4: colour: unknown field"},
		"delete needs something to delete":               {args: []string{"delete"}, code: 2, stderr: "nothing to delete is named"},
		"delete takes names or files":                    {args: []string{"delete", "echo", "-f", "echo.yaml"}, code: 2, stderr: "use one of them"},
		"plan needs something to plan":                   {args: []string{"plan"}, code: 2, stderr: "nothing to plan is named"},
		"plan prints json or yaml":                       {args: []string{"plan", "cart", "-o", "wide"}, code: 2, stderr: "[json yaml]"},
		"status takes one name":                          {args: []string{"status", "a", "b"}, code: 2, stderr: "accepts at most 1 arg"},
		"status of a name is in one namespace":           {args: []string{"status", "a", "-A"}, code: 2, stderr: "contradict each other"},
		"the client's version needs no cluster":          {args: []string{"version", "--client"}, stdout: "Client:"},
		"the client's version is JSON on request":        {args: []string{"version", "--client", "-o", "json"}, stdout: `"goVersion"`},
		"a cluster that cannot be reached is named":      {args: []string{"status", "--server", "http://127.0.0.1:1"}, code: 1, stderr: "cannot reach http://127.0.0.1:1"},
		"values of flags are completed":                  {args: []string{"__complete", "deploy", "--dry-run="}, stdout: "client\n"},
		"names are completed to nothing without cluster": {args: []string{"__complete", "status", "--server", "http://127.0.0.1:1", ""}, stdout: ":4\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := execute(t, tc.stdin, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(stdout, tc.stdout) {
				t.Errorf("stdout does not have %q:\n%s", tc.stdout, stdout)
			}
			if !strings.Contains(stderr, tc.stderr) {
				t.Errorf("stderr does not have %q:\n%s", tc.stderr, stderr)
			}
		})
	}
}

func TestHelpIsGrouped(t *testing.T) {
	stdout, _, code := execute(t, "", "--help")
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, part := range []string{"Deploy and remove:", "Look at what runs:", "kubectl oaas [command]", "Exit codes: 0 done", "--kubeconfig"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("the help does not have %q:\n%s", part, stdout)
		}
	}
}

func TestExamplesDeployStrictly(t *testing.T) {
	files, err := filepath.Glob("../../artifacts/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			stdout, stderr, code := execute(t, "", "deploy", "--dry-run=client", "--strict", "-f", file)
			if code != 0 || stderr != "" {
				t.Errorf("exit code %d:\n%s", code, stderr)
			}
			for _, kind := range []string{"package.", "classdeployment."} {
				if !strings.Contains(stdout, kind) {
					t.Errorf("the example has no %s:\n%s", kind, stdout)
				}
			}
		})
	}
}

func TestCompare(t *testing.T) {
	object := func(change func(*deployment)) *unstructured.Unstructured {
		d := makeDeployment("cart")
		change(d)
		return d.unstructured(t)
	}
	before := object(func(*deployment) {})
	tests := map[string]struct {
		before, after *unstructured.Unstructured
		want          operation
	}{
		"what was not there is created":    {nil, before, opCreated},
		"the same is unchanged":            {before, object(func(*deployment) {}), opUnchanged},
		"a status that moves is no change": {before, object(func(d *deployment) { d.ResourceVersion = "9"; d.phase("Running") }), opUnchanged},
		"another spec is a change":         {before, object(func(d *deployment) { d.Spec.TargetClusters = []string{"north"} }), opConfigured},
		"another annotation is a change":   {before, object(func(d *deployment) { d.Annotations = map[string]string{"a": "b"} }), opConfigured},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := compare(tc.before, tc.after); got != tc.want {
				t.Errorf("compare = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestExplainItem(t *testing.T) {
	i := item{Unstructured: makePackage(t), kind: kindNamed("Package"), where: "shop.yaml:3"}
	conflict := apierrors.NewApplyConflict([]metav1.StatusCause{{
		Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.version", Message: `conflict with "kubectl-edit" using pm.oaas.io/v1alpha1`,
	}}, "Apply failed")
	invalid := &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: "invalid",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
			{Field: "spec.version", Message: `Invalid value: "x"`}, {Field: "spec.classes[0].key", Message: "Required value"}}},
	}}
	tests := map[string]struct {
		err  error
		want []string
	}{
		"a conflict names fields, managers and the way out": {conflict, []string{"shop.yaml:3: package.pm.oaas.io/shop", "409", "spec.version", "kubectl-edit", "--force-conflicts"}},
		"a refusal lists every field":                       {invalid, []string{"shop.yaml:3", "is refused", "spec.version", "spec.classes[0].key"}},
		"any other error is passed on":                      {fmt.Errorf("boom"), []string{"shop.yaml:3: package.pm.oaas.io/shop: boom"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := explainItem(i, tc.err).Error()
			for _, part := range tc.want {
				if !strings.Contains(got, part) {
					t.Errorf("the error does not say %q:\n%s", part, got)
				}
			}
		})
	}
}

func TestExplainConnection(t *testing.T) {
	c := &connection{host: "https://cluster:6443"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"the group is not installed":   {apierrors.NewNotFound(pmv1alpha1.Resource(""), ""), "does not serve pm.oaas.io/v1alpha1: install the Package Manager"},
		"the server behind it is down": {apierrors.NewServiceUnavailable("no endpoints"), "kubectl get apiservice v1alpha1.pm.oaas.io"},
		"the user may not ask":         {apierrors.NewUnauthorized("who are you"), "who are you"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := c.explain(tc.err).Error(); !strings.Contains(got, tc.want) || !strings.Contains(got, c.host) {
				t.Errorf("got %q, want the host and %q", got, tc.want)
			}
		})
	}
}

func TestRendering(t *testing.T) {
	running := makeDeployment("cart").phase("Running").condition("Available", "True", "UnitsReady", "every unit serves").unit(readyUnit("north"))
	starting := makeDeployment("order").phase("Deploying").condition("Available", "False", "Starting", "1 of 2 pods\nis ready").
		unit(startingUnit("south", "1 of 2 pods is ready"))
	starting.Spec.ClassKey = "Order"
	stray := makeDeployment("stray").phase("Failed").condition("Planned", "False", "PackageNotFound", "package gone is not there")
	stray.Spec.PackageName = "gone"
	all := func() *snapshot {
		s, err := newSnapshot([]*unstructured.Unstructured{makePackage(t)},
			[]*unstructured.Unstructured{stray.unstructured(t), starting.unstructured(t), running.unstructured(t)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	status := func(o StatusOptions) func(*bytes.Buffer) error {
		o.shared = &shared{clock: clocktesting.NewFakeClock(created.Add(90 * time.Minute))}
		return func(b *bytes.Buffer) error { return o.print(b, all(), "default") }
	}
	results := []applied{
		{item: item{Unstructured: makePackage(t), kind: kindNamed("Package")}, operation: opCreated, object: makePackage(t)},
		{item: item{Unstructured: running.unstructured(t), kind: kindNamed("ClassDeployment")}, operation: opUnchanged, object: running.unstructured(t)},
	}
	end := &outcome{name: types.NamespacedName{Namespace: "default", Name: "cart"}, deployment: running.obj(), over: true}
	end.tracker.last = Assess(running.obj(), 0)
	serverVersions := Versions{Client: version.Info{Version: "v1.2.3", GoVersion: "go1.26", Platform: "linux/amd64"},
		Server: &ServerVersions{Kubernetes: "v1.36.3", PackageManager: "Available", API: "pm.oaas.io/v1alpha1"}}

	tests := map[string]func(*bytes.Buffer) error{
		"status-table":      status(StatusOptions{}),
		"status-wide":       status(StatusOptions{Output: "wide", AllNamespaces: true}),
		"status-names":      status(StatusOptions{Output: "name"}),
		"status-deployment": status(StatusOptions{Name: "cart"}),
		"status-package":    status(StatusOptions{Name: "shop"}),
		"status-stray":      status(StatusOptions{Name: "stray"}),
		"status-yaml":       status(StatusOptions{Name: "shop", Output: "yaml"}),
		"deploy-results":    func(b *bytes.Buffer) error { return printApplied(b, results, "", dryRunServer) },
		"deploy-names":      func(b *bytes.Buffer) error { return printApplied(b, results, "name", dryRunNone) },
		"deploy-json":       func(b *bytes.Buffer) error { return printApplied(b, results[:1], "json", dryRunNone) },
		"deploy-summary":    func(b *bytes.Buffer) error { return writeSummary(b, results, []*outcome{end}, 3210*time.Millisecond) },
		"plan":              func(b *bytes.Buffer) error { writePlan(b, makePlan()); return nil },
		"plan-halted":       func(b *bytes.Buffer) error { writePlan(b, haltedPlan()); return nil },
		"version":           func(b *bytes.Buffer) error { return writeVersions(b, serverVersions, "") },
		"version-yaml":      func(b *bytes.Buffer) error { return writeVersions(b, serverVersions, "yaml") },
	}
	for name, write := range tests {
		t.Run(name, func(t *testing.T) { compareGolden(t, name, output(t, write)) })
	}
}

func TestStatusOfNothing(t *testing.T) {
	common := &shared{clock: clocktesting.NewFakeClock(created)}
	var b bytes.Buffer
	if err := (&StatusOptions{shared: common}).print(&b, &snapshot{}, "here"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "no package and no deployment in namespace here") {
		t.Errorf("an empty namespace shows %q", b.String())
	}
	err := (&StatusOptions{shared: common, Name: "gone"}).print(&b, &snapshot{}, "here")
	if err == nil || !strings.Contains(err.Error(), "named gone in namespace here") {
		t.Errorf("a name that is not there: got error %v", err)
	}
}

func TestProgress(t *testing.T) {
	tests := map[string]struct {
		terminal bool
		want     string
	}{
		"a terminal is redrawn, cut to its width": {true, "one\na very l…\n" + "\x1b[2A\r\x1b[J" + "done\n" + "\x1b[1A\r\x1b[J"},
		"a file gets the changes":                 {false, "a very long line\ndone\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			p := &progress{out: &b, terminal: tc.terminal, size: func() (int, int) { return 10, 5 }}
			p.show([]string{"one", "a very long line"}, []string{"a very long line"})
			p.show([]string{"done"}, []string{"done"})
			p.clear()
			if b.String() != tc.want {
				t.Errorf("wrote %q, want %q", b.String(), tc.want)
			}
		})
	}
}

func TestFit(t *testing.T) {
	for sentence, test := range map[string]struct {
		line  string
		width int
		want  string
	}{
		"a line that fits":                  {"123456789", 10, "123456789"},
		"the last column stays free":        {"1234567890", 10, "12345678…"},
		"wide characters take two columns":  {"待機中です", 10, "待機中で…"},
		"a few of them fit":                 {"待機中", 10, "待機中"},
		"the signs of a tree take one each": {"│  ├─ ab", 10, "│  ├─ ab"},
		"a screen of one column is unknown": {"123", 1, "123"},
		"nothing":                           {"", 10, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := fit(test.line, test.width); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestProgressFitsTheScreen(t *testing.T) {
	var b bytes.Buffer
	p := &progress{out: &b, terminal: true, size: func() (int, int) { return 80, 5 }}
	p.show([]string{"1", "2", "3", "4", "5", "6", "sum"}, nil)
	if want := "1\n2\n… 4 more lines\nsum\n"; b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}

func TestWhyUnavailable(t *testing.T) {
	service := func(status string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Available", "status": status, "reason": "FailedDiscoveryCheck", "message": "connection refused"},
		}}}}
	}
	if got := whyUnavailable(service("True")); got != "" {
		t.Errorf("an available service is not available because %q", got)
	}
	if got, want := whyUnavailable(service("False")), "FailedDiscoveryCheck: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRemovalText(t *testing.T) {
	withFinalizer := makePackage(t)
	withFinalizer.SetFinalizers([]string{"example.com/keep"})
	terminating := toUnstructured(t, &pmv1alpha1.Package{TypeMeta: metav1.TypeMeta{Kind: "Package"}, Status: pmv1alpha1.PackageStatus{Conditions: []metav1.Condition{{
		Type: "Ready", Status: "False", Reason: "Terminating", Message: "the package is being deleted and waits for 1 class deployment to be undeployed: cart",
	}}}})
	tests := map[string]struct {
		object *unstructured.Unstructured
		want   string
	}{
		"a deployment waits for its clusters":    {makeDeployment("cart").unit(readyUnit("north")).unstructured(t), "waits for its removal from north (default-cart-dev)"},
		"a package tells what it waits for":      {terminating, "the package is being deleted and waits for 1 class deployment to be undeployed: cart"},
		"a package waits for foreign finalizers": {withFinalizer, "waits for its finalizers example.com/keep"},
		"anything else waits for its removal":    {makePackage(t), "waits for its removal"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := removalText(tc.object); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
