// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestParse(t *testing.T) {
	tests := map[string]struct {
		file   string
		golden string
		strict bool
	}{
		"every field of the plain form reaches the API":                    {file: "complete"},
		"strict has nothing against a file without unknown fields":         {file: "complete", strict: true},
		"bare scalars in string fields keep their source text":             {file: "scalars"},
		"null is the same as missing and the package is the enclosing one": {file: "nulls"},
		"several bindings share one function":                              {file: "sharedfunction"},
		"a file with only deployments never yields a package":              {file: "onlydeployments"},
		"documents of both forms stand in one file":                        {file: "multidocument"},
		"a Wasm function may leave its type out":                           {file: "wasm"},
		"unknown fields are warnings with a line and a suggestion":         {file: "unknown"},
		"strict refuses unknown fields":                                    {file: "unknown", golden: "unknown-strict", strict: true},
		"the older form is refused field by field":                         {file: "legacy"},
		"camelCase spellings of known fields are never dropped in silence": {file: "camel"},
		"broken YAML is refused with its line":                             {file: "syntax"},
		"every mistyped value is named at once":                            {file: "types"},
		"names that the API cannot have are refused with a suggestion":     {file: "names"},
		"a package needs a name and a document needs content":              {file: "nameless"},
		"a key that stands twice is refused":                               {file: "duplicate"},
		"items of lists that stand twice are refused":                      {file: "twice"},
		"anchors and merge keys are followed":                              {file: "anchors"},
		"a file whose aliases stand for billions of values is refused":     {file: "bomb"},
		"an alias that contains itself is refused":                         {file: "cycle"},
		"a list of manifests is taken apart and compared with the types":   {file: "manifest"},
		"strict refuses unknown fields of manifests":                       {file: "manifest", golden: "manifest-strict", strict: true},
		"manifests that lack a field or have a wrong type name it":         {file: "manifestbroken"},
		"a document that is a list is refused":                             {file: "list"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", tc.file+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			result, err := Parse(tc.file+".yaml", data, Options{Strict: tc.strict})
			golden := tc.golden
			if golden == "" {
				golden = tc.file
			}
			compareGolden(t, filepath.Join("testdata", golden+".golden"), render(t, result, err))
		})
	}
}

// render writes down all that a caller gets.
func render(t *testing.T, result *Result, err error) string {
	t.Helper()
	var out strings.Builder
	if err != nil {
		if result != nil {
			t.Errorf("a refused file yields objects: %v", result)
		}
		return fmt.Sprintf("refused:\n%v\n", err)
	}
	for _, source := range result.Sources {
		text, err := yaml.Marshal(source.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "--- # line %d\n%s", source.Line, text)
	}
	for _, warning := range result.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", warning)
	}
	return out.String()
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got), run with -update when it should:\n%s", path, diff)
	}
}

func TestParseRefusesFilesThatAreTooLarge(t *testing.T) {
	_, err := Parse("big.yaml", bytes.Repeat([]byte("#"), MaxSize+1), Options{})
	if err == nil || !strings.Contains(err.Error(), "split it") {
		t.Errorf("a file beyond the limit: got error %v, want one that says what to do", err)
	}
}

func TestParseRefusesDeepNesting(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	_, err := Parse("deep.yaml", []byte("name: "+deep), Options{})
	var refused *Error
	if !errors.As(err, &refused) || refused.Problems[0].Line != 1 {
		t.Errorf("a document nested too deep: got error %v, want an *Error at line 1", err)
	}
}

func TestDeploymentName(t *testing.T) {
	long := strings.Repeat("Very.Long.", 10)
	tests := map[string]struct{ key, want string }{
		"a valid name stays as it is":                {"record-dev", "record-dev"},
		"capitals and dots become a name":            {"Record.dev", "record-dev"},
		"runs of other characters are one dash":      {"__Record..dev__", "record-dev"},
		"a key without letters and digits has none":  {"...", ""},
		"letters outside ASCII are gaps":             {"Größe", "gr-e"},
		"a long key is cut and told apart by a hash": {long, "very-long-very-long-very-long-very-long-very-long-very-a58f2f05"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := DeploymentName(tc.key)
			if got != tc.want {
				t.Errorf("DeploymentName(%q) = %q, want %q", tc.key, got, tc.want)
			}
			if len(got) > 63 {
				t.Errorf("%q has %d characters, more than 63", got, len(got))
			}
		})
	}
	if DeploymentName(long) == DeploymentName(long+"x") {
		t.Error("two long keys get one name")
	}
}

func TestLocate(t *testing.T) {
	read := func(file string) *Result {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		result, err := Parse(file, data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	plain, manifest := read("complete.yaml"), read("manifest.yaml")
	tests := map[string]struct {
		source Source
		path   string
		field  string
		line   int
	}{
		"the name of a package":                    {plain.Sources[0], "metadata.name", "name", 2},
		"the author is part of the metadata":       {plain.Sources[0], "spec.author", "metadata.author", 5},
		"a tag":                                    {plain.Sources[0], "spec.tags[1]", "metadata.tags[1]", 7},
		"an image":                                 {plain.Sources[0], "spec.functions[0].provision.image", "functions[0].provision_config.container_image", 45},
		"a quantity":                               {plain.Sources[0], "spec.functions[0].provision.resources.limits[cpu]", "functions[0].provision_config.cpu_limit", 51},
		"a binding":                                {plain.Sources[0], "spec.classes[0].functionBindings[1].functionKey", "classes[0].function_bindings[1].function_key", 32},
		"the type of a key":                        {plain.Sources[0], "spec.classes[0].stateSpec.keySpecs[0].type", "classes[0].state_spec.key_specs[0].key_type", 17},
		"a field that the file leaves out":         {plain.Sources[0], "spec.functions[1].provision.image", "functions[1].provision_config.container_image", 79},
		"a volume":                                 {plain.Sources[0], "spec.functions[0].provision.volumeMounts[3].emptyDir.sizeLimit", "functions[0].provision_config.volume_mounts[3].empty_dir.size_limit", 69},
		"a variable from a Secret":                 {plain.Sources[0], "spec.functions[0].secretConfig[0].secretName", "functions[0].secret_config[0].secret_name", 74},
		"the name of a deployment is its key":      {plain.Sources[1], "metadata.name", "deployments[0].key", 83},
		"a requirement":                            {plain.Sources[1], "spec.nfr.maxLatencyMs", "deployments[0].nfr_requirements.max_latency_ms", 89},
		"a key of a map with dots":                 {plain.Sources[1], "spec.telemetry.resourceAttributes[service.namespace]", "deployments[0].telemetry.resource_attributes[service.namespace]", 111},
		"a manifest's fields are those of the API": {manifest.Sources[0], "spec.classes[0].functionBindings", "spec.classes[0].functionBindings", 11},
		"a field that a manifest leaves out":       {manifest.Sources[0], "spec.author", "spec.author", 7},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			field, line := tc.source.Locate(tc.path)
			if field != tc.field || line != tc.line {
				t.Errorf("Locate(%s) = %s, line %d; want %s, line %d", tc.path, field, line, tc.field, tc.line)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(inputs) == 0 {
		f.Fatalf("no seeds in testdata: %v", err)
	}
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, strict bool) {
		result, err := Parse("fuzz.yaml", data, Options{Strict: strict})
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) || len(refused.Problems) == 0 {
				t.Fatalf("refused without a problem to show: %v", err)
			}
			return
		}
		for _, object := range result.Objects() {
			if _, err := yaml.Marshal(object); err != nil {
				t.Fatalf("an object that cannot be written: %v", err)
			}
		}
		again, err := Parse("fuzz.yaml", data, Options{Strict: strict})
		if err != nil || !cmp.Equal(result.Objects(), again.Objects()) || !cmp.Equal(result.Warnings, again.Warnings) {
			t.Fatalf("a second reading differs: %v", err)
		}
		for _, source := range result.Sources {
			if _, line := source.Locate("spec.functions[0].provision.image"); line < 1 {
				t.Fatalf("a field is placed at line %d", line)
			}
		}
	})
}

// A file from somewhere must neither exhaust the memory of who looks at it nor keep
// them waiting.
func TestSmallFilesThatStandForMuchAreRefused(t *testing.T) {
	text, often := strings.Repeat("x", 1<<20), strings.Repeat("*x,", 3000)
	for sentence, test := range map[string]struct{ content, says string }{
		"long text that is referred to often, in the plain form": {
			"name: a\nauthor: &x " + text + "\ndependencies: [" + often + "]\n", "stands for more than 16 MiB of text",
		},
		"long text that is referred to often, in a manifest": {
			"apiVersion: pm.oaas.io/v1alpha1\nkind: Package\nmetadata: {name: a}\nspec: {author: &x " + text + ", tags: [" + often + "]}\n",
			"stands for more than 16 MiB of text",
		},
		"hundreds of thousands of problems": {
			"name: a\ndependencies: [" + strings.Repeat("~,", 300_000) + "]\n", "f: 299900 more problems",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			started := time.Now()
			_, err := Parse("f", []byte(test.content), Options{})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %.200v, want %q", err, test.says)
			}
			if len(err.Error()) > 64<<10 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
