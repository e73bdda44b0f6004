// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oaas.io/oaas/pkg/oaasfile"
)

const tinyPackage = "name: tiny\nfunctions:\n  - {key: f, function_type: LOGICAL}\n"

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadAll(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.yaml":
			_, _ = w.Write([]byte(tinyPackage))
		case "/endless.yaml":
			block := bytes.Repeat([]byte("#"), 1<<20)
			for range (oaasfile.MaxSize >> 20) + 1 {
				_, _ = w.Write(block)
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.yml"), "b")
	write(t, filepath.Join(dir, "a.yaml"), "a")
	write(t, filepath.Join(dir, "c.json"), "{}")
	write(t, filepath.Join(dir, "notes.txt"), "no")
	write(t, filepath.Join(dir, "inner", "d.yaml"), "d")
	empty := t.TempDir()
	odd := write(t, filepath.Join(t.TempDir(), "package.oaas"), tinyPackage)

	tests := map[string]struct {
		names     []string
		recursive bool
		want      []string
		wantErr   string
	}{
		"a directory gives its YAML and JSON files in order": {names: []string{dir}, want: []string{"a.yaml", "b.yml", "c.json"}},
		"recursive reads subdirectories":                     {names: []string{dir}, recursive: true, want: []string{"a.yaml", "b.yml", "c.json", "d.yaml"}},
		"a named file may have any extension":                {names: []string{odd}, want: []string{"package.oaas"}},
		"a dash is the standard input":                       {names: []string{"-"}, want: []string{"standard input"}},
		"a URL is fetched":                                   {names: []string{server.URL + "/good.yaml"}, want: []string{"good.yaml"}},
		"a URL that is not there is an error":                {names: []string{server.URL + "/none.yaml"}, wantErr: "404 Not Found"},
		"a URL that never ends is cut off":                   {names: []string{server.URL + "/endless.yaml"}, wantErr: "larger than 16 MiB"},
		"a directory without files is an error":              {names: []string{empty}, wantErr: "has no .yaml, .yml or .json file; -R"},
		"a missing file is an error":                         {names: []string{filepath.Join(dir, "none.yaml")}, wantErr: "no such file"},
		"all inputs that cannot be read are told at once":    {names: []string{empty, server.URL + "/none.yaml"}, wantErr: "404 Not Found"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &reader{stdin: strings.NewReader(tinyPackage), recursive: tc.recursive, client: server.Client()}
			inputs, err := r.readAll(context.Background(), tc.names)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, in := range inputs {
				got = append(got, filepath.Base(in.name))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseInputs(t *testing.T) {
	const cluster = "apiVersion: pm.oaas.io/v1alpha1\nkind: Cluster\nmetadata: {name: north, creationTimestamp: null, resourceVersion: \"7\"}\nspec: {endpoint: \"north:443\"}\nstatus: {health: Healthy}\n"
	const deployOnly = "deployments:\n  - {key: tiny, package_name: tiny, class_key: C}\n"
	tests := map[string]struct {
		inputs    []string
		namespace string
		enforce   bool
		want      []string
		wantErr   string
	}{
		"clusters come first, then packages, then deployments": {
			inputs: []string{deployOnly, tinyPackage, cluster}, namespace: "here",
			want: []string{"cluster.pm.oaas.io/north in ", "package.pm.oaas.io/tiny in here", "classdeployment.pm.oaas.io/tiny in here"}},
		"one broken file keeps all others back": {
			inputs: []string{tinyPackage, "name: [", "name: A_B\nfunctions: [{key: f}]"}, wantErr: "such as a-b"},
		"a kind of another group is refused with the way out": {
			inputs: []string{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}"}, wantErr: "1.yaml:1: ConfigMap x is of v1: only objects of pm.oaas.io are handled here, use kubectl apply -f"},
		"an unknown kind of the group is refused": {
			inputs: []string{"apiVersion: pm.oaas.io/v1alpha1\nkind: Pakage\nmetadata: {name: x}"}, wantErr: "use Package, ClassDeployment or Cluster"},
		"the same object twice is refused with both places": {
			inputs: []string{tinyPackage, tinyPackage}, namespace: "here", wantErr: "2.yaml:1: package.pm.oaas.io/tiny already stands at 1.yaml:1"},
		"a namespace that contradicts the command line is refused": {
			inputs: []string{"apiVersion: pm.oaas.io/v1alpha1\nkind: Package\nmetadata: {name: x, namespace: there}"}, namespace: "here", enforce: true,
			wantErr: `"there" is not the namespace "here" of --namespace`},
		"a namespace of the manifest's own wins over the kubeconfig's": {
			inputs: []string{"apiVersion: pm.oaas.io/v1alpha1\nkind: Package\nmetadata: {name: x, namespace: there}"}, namespace: "here",
			want: []string{"package.pm.oaas.io/x in there"}},
		"files without content are an error": {
			inputs: []string{"# nothing\n"}, wantErr: "no package and no deployment"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var inputs []input
			for i, content := range tc.inputs {
				inputs = append(inputs, input{name: string(rune('1'+i)) + ".yaml", data: []byte(content)})
			}
			items, err := parseInputs(inputs, false, &bytes.Buffer{})
			if err == nil {
				err = setNamespaces(items, tc.namespace, tc.enforce)
			}
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range items {
				got = append(got, i.title()+" in "+i.GetNamespace())
				for _, path := range [][]string{{"status"}, {"metadata", "creationTimestamp"}, {"metadata", "resourceVersion"}} {
					if _, has, _ := nested(i, path); has {
						t.Errorf("%s still has %v, which belongs to the server", i.title(), path)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
		})
	}
}
