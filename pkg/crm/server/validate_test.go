// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/artifacts/crds"
	"oaas.io/oaas/artifacts/templates"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/apis/quantity"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/template"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestUnitThatNoClusterCanStoreIsRefused(t *testing.T) {
	unit := &deploymentv1.DeploymentUnit{Id: "echo", FunctionContainers: []*deploymentv1.FunctionContainer{{
		FunctionKey: "say", Image: "echo:1", Env: map[string]string{"BLOB": strings.Repeat("x", maxUnit)},
	}}}
	problems := validateUnit(unit)
	if len(problems) != 1 || problems[0].Field != "unit" || len(problems[0].Error()) > 1024 {
		t.Errorf("problems = %.2000v, want one short one of the unit", problems)
	}
}

func TestVariablesThatLeaveNoRoomForAStatusAreRefused(t *testing.T) {
	unit := &deploymentv1.DeploymentUnit{Id: "echo", Namespace: "shop", ClassDeployment: "echo", PackageName: "echo", ClassKey: "Echo", Environment: "prod"}
	for i := range 2 {
		f := &deploymentv1.FunctionContainer{FunctionKey: fmt.Sprint("say-", i), Image: "echo:1", Env: map[string]string{}}
		for v := range maxVariables / 2 {
			f.Env[fmt.Sprint("V", v)] = ""
		}
		unit.FunctionContainers = append(unit.FunctionContainers, f)
	}
	if problems := validateUnit(unit); len(problems) > 0 {
		t.Errorf("as many as may be: %v", problems)
	}
	unit.FunctionContainers[1].Env["ONE_MORE"] = ""
	problems := validateUnit(unit)
	if len(problems) != 1 || problems[0].Field != "unit.function_containers" || !strings.Contains(problems[0].Detail, "4096") {
		t.Errorf("problems = %v, want one of the functions that tells how many may be", problems)
	}
}

// TestQuantitiesThatTakeForeverToReadAreRefused holds that neither the server nor the
// API server takes a quantity that the library of Kubernetes computes for hours and
// gigabytes: the program would end, and end again with each start.
func TestQuantitiesThatTakeForeverToReadAreRefused(t *testing.T) {
	cases := map[string]string{
		"an exponent that is too small":   "1e-2147483640",
		"an exponent that is too great":   "1E+2147483640",
		"a thousand digits":               strings.Repeat("9", 1000),
		"a thousand digits of a fraction": "0." + strings.Repeat("9", 1000),
		"more than Kubernetes counts":     "1e19",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			_, problems := parseQuantities(field.NewPath("resource_requests"), map[string]string{"cpu": text})
			if len(problems) != 1 || problems[0].Field != "resource_requests[cpu]" {
				t.Errorf("problems = %.200v, want one of resource_requests[cpu]", problems)
			}
		})
	}
	for _, text := range []string{"1", "0", "100m", ".5", "1.", "1.5Gi", "1e3", "1E3", "9E", "9223372036854775807", "1e-9", "+2k"} {
		if _, problems := parseQuantities(field.NewPath("resource_requests"), map[string]string{"cpu": text}); len(problems) > 0 {
			t.Errorf("%s: %v", text, problems)
		}
	}
	files, err := crds.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		content, err := crds.Files.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		var definition any
		if err := yaml.Unmarshal(content, &definition); err != nil {
			t.Fatal(err)
		}
		for _, pattern := range patternsOfQuantities(definition) {
			found++
			if pattern != quantity.Pattern {
				t.Errorf("%s takes quantities of the pattern %s, the server %s", file.Name(), pattern, quantity.Pattern)
			}
		}
	}
	if found == 0 {
		t.Error("no definition has a quantity")
	}
}

// patternsOfQuantities are the patterns of all quantities in a schema.
func patternsOfQuantities(schema any) []string {
	var found []string
	switch schema := schema.(type) {
	case map[string]any:
		if schema["x-kubernetes-int-or-string"] == true {
			pattern, _ := schema["pattern"].(string)
			found = append(found, pattern)
		}
		for _, part := range schema {
			found = append(found, patternsOfQuantities(part)...)
		}
	case []any:
		for _, part := range schema {
			found = append(found, patternsOfQuantities(part)...)
		}
	}
	return found
}

// TestKeysOfFunctionsOfOtherPackages holds that the keys which the Package Manager
// makes for them fit, and that the server, the definitions and the Package Manager
// agree on how long they get.
func TestKeysOfFunctionsOfOtherPackages(t *testing.T) {
	longest := strings.Repeat("p", validation.DNS1123LabelMaxLength) + "." + strings.Repeat("f", maxKey)
	problemsOf := func(key string) []string {
		unit := &deploymentv1.DeploymentUnit{
			Id: "echo", Namespace: "team", ClassDeployment: "echo", PackageName: "demo", ClassKey: "Echo", Environment: "dev",
			Bindings:           []*deploymentv1.MethodBinding{{Name: "say", FunctionKey: key}},
			FunctionContainers: []*deploymentv1.FunctionContainer{{FunctionKey: key, Image: "echo:1"}},
		}
		var fields []string
		for _, problem := range validateUnit(unit) {
			fields = append(fields, problem.Field)
		}
		return fields
	}
	if got := problemsOf(longest); len(got) > 0 {
		t.Errorf("a key of %d bytes is refused in %v", len(longest), got)
	}
	want := []string{"unit.bindings[0].function_key", "unit.function_containers[0].function_key"}
	if diff := cmp.Diff(want, problemsOf(longest+"f")); diff != "" {
		t.Errorf("a longer key is refused in (-want +got):\n%s", diff)
	}
	content, err := crds.Files.ReadFile("oaas.io_deploymentrecords.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(content, &definition); err != nil {
		t.Fatal(err)
	}
	spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	for _, list := range []string{"bindings", "functionContainers"} {
		key := spec.Properties[list].Items.Schema.Properties["functionKey"]
		if key.MaxLength == nil || *key.MaxLength != int64(len(longest)) {
			t.Errorf("functionKey of %s is bounded by %v, want %d", list, key.MaxLength, len(longest))
		}
	}
}

// A unit that passes makes a record that can be rendered and comes back as it was
// sent; one that does not is refused in the same words every time.
func FuzzValidateUnit(f *testing.F) {
	for _, unit := range []string{
		`{}`,
		`{"id":"echo","namespace":"team","classDeployment":"echo","packageName":"demo","classKey":"Echo","environment":"dev"}`,
		`{"id":"echo","namespace":"team","classDeployment":"echo","packageName":"demo","classKey":"Echo","environment":"dev",
		  "nfrRequirements":{"minThroughputRps":"500","maxLatencyMs":"20","availability":"0.99","cpuUtilizationTarget":70},
		  "resourceAllocation":{"replicationFactor":2,"minReplicas":2,"maxReplicas":4},
		  "functionContainers":[{"functionKey":"Echo.say","image":"ghcr.io/acme/echo:1","port":80,"env":{"A":"","B":"2"},
		    "resourceRequests":{"cpu":"100u","memory":"0.5Gi"},"resourceLimits":{"cpu":"1e3","example.com/gpu":"1"},
		    "minReplicas":0,"maxReplicas":3,"healthCheck":{"readiness":{"path":"/","periodSeconds":5}}}]}`,
		`{"id":"-","functionContainers":[{"port":-1,"image":"A B","env":{"=":""},"resourceRequests":{"":"x","cpu":"-1"},
		  "healthCheck":{"liveness":{"path":"x","initialDelaySeconds":-1,"periodSeconds":-1,"timeoutSeconds":-1,"failureThreshold":-1}}},{}]}`,
	} {
		message := &deploymentv1.DeploymentUnit{}
		if err := protojson.Unmarshal([]byte(unit), message); err != nil {
			f.Fatal(err)
		}
		encoded, err := proto.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Add(fullSeed(f))
	deployment := builtInDeployment(f)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		unit := &deploymentv1.DeploymentUnit{}
		if proto.Unmarshal(encoded, unit) != nil {
			return
		}
		first, second := validateUnit(unit), validateUnit(unit)
		if diff := cmp.Diff(first.ToAggregate(), second.ToAggregate(), cmp.Comparer(sameText)); diff != "" {
			t.Fatalf("two validations differ:\n%s", diff)
		}
		if len(first) > 0 {
			return
		}
		spec := specOf(unit)
		again := specOf(unitOf(&spec))
		if diff := cmp.Diff(spec, again); diff != "" {
			t.Fatalf("a unit that was read back differs:\n%s", diff)
		}
		if wanted, err := intentOf(unit.GetNamespace(), spec, ""); err != nil {
			t.Fatal(err)
		} else if stored := storedSpec(t, wanted); !equality.Semantic.DeepEqual(spec, stored) {
			t.Fatalf("the unit is not unchanged when it is sent again:\n%s", cmp.Diff(spec, stored))
		}
		record := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Name: unit.GetId(), Namespace: unit.GetNamespace()}, Spec: spec}
		record.Spec.SelectedTemplate = ""
		analysis, err := nfr.Analyze(&record.Spec)
		if err != nil {
			t.Fatalf("the requirements of an accepted unit cannot be analysed: %v", err)
		}
		if _, err := render.Render(render.Input{Record: record, Template: deployment, Analysis: analysis}); err != nil {
			t.Fatalf("an accepted unit cannot be rendered: %v", err)
		}
	})
}

// builtInDeployment is the template that runs units where nothing else is asked for.
func builtInDeployment(tb testing.TB) *template.Template {
	tb.Helper()
	content, err := templates.Files.ReadFile("deployment.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	object := &v1alpha1.DeploymentTemplate{}
	if err := yaml.UnmarshalStrict(content, object); err != nil {
		tb.Fatal(err)
	}
	compiled, problems := template.Compile(object.Name, &object.Spec)
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}
	return compiled
}

// storedSpec is the spec as the API server returns it.
func storedSpec(t *testing.T, wanted *unstructured.Unstructured) v1alpha1.DeploymentRecordSpec {
	t.Helper()
	encoded, err := wanted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	record := &v1alpha1.DeploymentRecord{}
	if err := json.Unmarshal(encoded, record); err != nil {
		t.Fatal(err)
	}
	return record.Spec
}

func sameText(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
}
