// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/prototest"
	"oaas.io/oaas/pkg/planner"
)

// notSent are the fields that no cluster is told of, and why. Every other field of
// a class, of a function that it binds and of a deployment reaches the cluster.
func notSent() map[string]string {
	const (
		reader  = "for people and for those who read the package"
		choice  = "decides where units go, not what they are"
		frozen  = "keeps new units from being made, and changes none"
		caller  = "for those who call the method, which asks the Package Manager"
		storage = "what is stored is the functions' own business"
		wasm    = "a function with a module has no container"
	)
	return map[string]string{
		"class.description":                                        reader,
		"class.disabled":                                           frozen,
		"class.stateSpec.keySpecs[0].name":                         storage,
		"class.stateSpec.keySpecs[0].type":                         storage,
		"class.stateSpec.defaultProvider":                          storage,
		"class.stateSpec.serializationFormat":                      storage,
		"class.functionBindings[0].accessModifier":                 caller,
		"class.functionBindings[0].parameters[0]":                  caller,
		"function.description":                                     reader,
		"function.disabled":                                        frozen,
		"function.provision.wasmModuleURL":                         wasm,
		"function.provision.wasmFuel":                              wasm,
		"deployment.targetClusters[0]":                             choice,
		"deployment.clusterSelector.matchLabels[name]":             choice,
		"deployment.clusterSelector.matchExpressions[0].key":       choice,
		"deployment.clusterSelector.matchExpressions[0].operator":  choice,
		"deployment.clusterSelector.matchExpressions[0].values[0]": choice,
		"deployment.placement.onUnreachable":                       choice,
	}
}

// identities are fields that name each other. Changing one alone breaks the plan,
// which is what the planner's own tests are about.
func identities() []string {
	return []string{
		"class.key", "class.functionBindings[0].functionKey", "function.key", "function.type",
		"deployment.packageName", "deployment.classKey",
	}
}

// TestEveryFieldReachesTheCluster changes each field of a class, of its function and
// of a deployment, one at a time, and expects another unit. A field that is added
// later fails here until it is sent, or listed with a reason.
func TestEveryFieldReachesTheCluster(t *testing.T) {
	filled := func() (*pmv1alpha1.Package, *pmv1alpha1.ClassDeployment) {
		p, d := store(), deployment()
		class, function := &pmv1alpha1.ClassDefinition{}, &pmv1alpha1.FunctionDefinition{}
		fill(reflect.ValueOf(class).Elem())
		fill(reflect.ValueOf(function).Elem())
		fill(reflect.ValueOf(&d.Spec).Elem())
		class.Key, class.Disabled = "Cart", false
		function.Key, function.Type, function.Disabled = "items", pmv1alpha1.FunctionCustom, false
		class.FunctionBindings[0].FunctionKey = function.Key
		function.Provision.VolumeMounts = eachSource(function.Provision.VolumeMounts[0])
		class.Options = map[string]string{"of the class": "value"} // the deployment's win under the same key
		p.Spec.Classes, p.Spec.Functions = []pmv1alpha1.ClassDefinition{*class}, []pmv1alpha1.FunctionDefinition{*function}
		d.Spec.PackageName, d.Spec.ClassKey = p.Name, class.Key
		d.Spec.TargetClusters = []string{"a"}
		d.Spec.ClusterSelector = &metav1.LabelSelector{
			MatchLabels:      map[string]string{"name": "a"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "name", Operator: metav1.LabelSelectorOpIn, Values: []string{"a"}}},
		}
		d.Spec.TargetEnvironments = []string{"value"} // the key that fill gives to templates
		return p, d
	}
	plan := func(p *pmv1alpha1.Package, d *pmv1alpha1.ClassDeployment) []*deploymentv1.DeploymentUnit {
		made, err := planner.Make(planner.Input{Deployment: d, Package: p, Clusters: []*pmv1alpha1.Cluster{cluster("a", up("1"))}})
		if err != nil {
			t.Fatal(err)
		}
		var units []*deploymentv1.DeploymentUnit
		for _, unit := range made.Units {
			units = append(units, unit.Content)
		}
		return units
	}
	p, d := filled()
	before := plan(p, d)
	if len(before) != 1 {
		t.Fatalf("%d units, want one", len(before))
	}
	// How a function uses the grid is not a setting of packages yet.
	if missing := slices.DeleteFunc(prototest.Unset(before[0]), func(path string) bool { return path == "function_containers.odgm_integration" }); len(missing) > 0 {
		t.Errorf("these fields of a unit are never sent, though everything is set: %s", strings.Join(missing, ", "))
	}

	reasons, seen := notSent(), map[string]bool{}
	for _, root := range []struct {
		name string
		of   func(*pmv1alpha1.Package, *pmv1alpha1.ClassDeployment) reflect.Value
	}{
		{"class", func(p *pmv1alpha1.Package, _ *pmv1alpha1.ClassDeployment) reflect.Value {
			return reflect.ValueOf(&p.Spec.Classes[0]).Elem()
		}},
		{"function", func(p *pmv1alpha1.Package, _ *pmv1alpha1.ClassDeployment) reflect.Value {
			return reflect.ValueOf(&p.Spec.Functions[0]).Elem()
		}},
		{"deployment", func(_ *pmv1alpha1.Package, d *pmv1alpha1.ClassDeployment) reflect.Value {
			return reflect.ValueOf(&d.Spec).Elem()
		}},
	} {
		var paths []string
		visit(root.of(p, d), root.name, func(path string, _ func()) { paths = append(paths, path) })
		for _, path := range paths {
			seen[path] = true
			if slices.Contains(identities(), path) {
				continue
			}
			p, d := filled()
			visit(root.of(p, d), root.name, func(at string, change func()) {
				if at == path {
					change()
				}
			})
			after := plan(p, d)
			same := len(after) == len(before) && len(after) == 1 && proto.Equal(before[0], after[0])
			switch reason := reasons[path]; {
			case len(after) == 0 && reason == "":
				t.Errorf("%s: the change leaves nothing to compare", path)
			case same && reason == "":
				t.Errorf("%s: no cluster is told: send it, or say in notSent why not", path)
			case !same && len(after) == 1 && reason != "":
				t.Errorf("%s: clusters are told, though notSent says: %s", path, reason)
			}
		}
	}
	for path := range maps.Keys(reasons) {
		if !seen[path] {
			t.Errorf("notSent has %s, which is no field", path)
		}
	}
}

// eachSource makes a volume with all sources, which no package has, into one for each.
func eachSource(all pmv1alpha1.VolumeMount) []pmv1alpha1.VolumeMount {
	mounts := make([]pmv1alpha1.VolumeMount, 4)
	for i := range mounts {
		mounts[i] = pmv1alpha1.VolumeMount{Name: fmt.Sprint(all.Name, i), MountPath: all.MountPath, SubPath: all.SubPath, ReadOnly: all.ReadOnly}
	}
	mounts[0].ConfigMap, mounts[1].Secret = all.ConfigMap, all.Secret
	mounts[2].PersistentVolumeClaim, mounts[3].EmptyDir = all.PersistentVolumeClaim, all.EmptyDir
	return mounts
}

// fill sets everything that can be set, with values that the API would take.
func fill(v reflect.Value) {
	switch known := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*known = resource.MustParse("1")
		return
	case *metav1.LabelSelector:
		return
	case *pmv1alpha1.ConsistencyModel:
		*known = pmv1alpha1.ConsistencyReadYourWrite
		return
	case *pmv1alpha1.EnforcementMode:
		*known = pmv1alpha1.EnforcementBasic
		return
	case *pmv1alpha1.DeletionPolicy:
		*known = pmv1alpha1.DeletionDelete
		return
	case *pmv1alpha1.UnreachablePolicy:
		*known = pmv1alpha1.UnreachableBestEffort
		return
	case *pmv1alpha1.NFRRequirements:
		defer func() { known.Availability = "0.5" }()
	case *pmv1alpha1.ReplicaBounds:
		known.Min, known.Max = new(int32(4)), new(int32(9))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("value")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("value").Convert(v.Type().Key()), value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	default:
		panic(fmt.Sprintf("no value for %s", v.Type()))
	}
}

// visit goes through all values and offers to change each.
func visit(v reflect.Value, path string, found func(path string, change func())) {
	if quantity, is := reflect.TypeAssert[resource.Quantity](v); is {
		found(path, func() { quantity.Add(resource.MustParse("1")); v.Set(reflect.ValueOf(quantity)) })
		return
	}
	switch v.Kind() {
	case reflect.String:
		found(path, func() { v.SetString(another(v)) })
	case reflect.Bool:
		found(path, func() { v.SetBool(!v.Bool()) })
	case reflect.Int32, reflect.Int64:
		// Far enough to need another replica.
		found(path, func() { v.SetInt(v.Int() + 20_000) })
	case reflect.Pointer:
		if !v.IsNil() { // one of several sources
			visit(v.Elem(), path, found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), fmt.Sprintf("%s[%d]", path, i), found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			visit(value, fmt.Sprintf("%s[%s]", path, key), func(at string, change func()) {
				found(at, func() {
					change()
					v.SetMapIndex(key, value)
				})
			})
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			visit(v.Field(i), path+"."+name, found)
		}
	default:
		panic(fmt.Sprintf("%s: no way to change %s", path, v.Type()))
	}
}

// another is a different value that means something, too.
func another(v reflect.Value) string {
	switch v.Interface().(type) {
	case pmv1alpha1.ConsistencyModel:
		return string(pmv1alpha1.ConsistencyStrong)
	case pmv1alpha1.EnforcementMode:
		return string(pmv1alpha1.EnforcementFull)
	case pmv1alpha1.DeletionPolicy:
		return string(pmv1alpha1.DeletionRetain)
	case pmv1alpha1.UnreachablePolicy:
		return string(pmv1alpha1.UnreachableRefuse)
	}
	if v.String() == "0.5" {
		return "0.6"
	}
	return v.String() + "x"
}
