// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

// validPackage is a package of one class with state, one custom function that
// is bound twice, and one Wasm function.
func validPackage() *pm.Package {
	return &pm.Package{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "default"},
		Spec: pm.PackageSpec{
			Version:      "1.4.0",
			Tags:         []string{"retail"},
			Dependencies: []pm.PackageDependency{{Name: "base", Version: ">=1.2 <2"}},
			Classes: []pm.ClassDefinition{{
				Key: "shop.Cart",
				StateSpec: &pm.StateSpec{
					ConsistencyModel: pm.ConsistencyStrong,
					KeySpecs:         []pm.KeySpec{{Name: "items", Type: "json"}},
				},
				FunctionBindings: []pm.FunctionBinding{
					{Name: "add", FunctionKey: "Cart.add", AccessModifier: pm.AccessPublic, Parameters: []string{"item"}},
					{Name: "addAll", FunctionKey: "Cart.add", AccessModifier: pm.AccessInternal, TriggerOnStateChange: true},
				},
			}},
			Functions: []pm.FunctionDefinition{
				{
					Key: "Cart.add", Type: pm.FunctionCustom, Config: map[string]string{"HTTP_PORT": "80"},
					Provision: &pm.FunctionProvision{
						Image: "ghcr.io/acme/cart:1.2", Port: 8080, MinScale: ptr.To[int32](0), MaxScale: ptr.To[int32](4),
						Resources: pm.FunctionResources{
							Requests: map[string]resource.Quantity{"cpu": resource.MustParse("100m")},
							Limits:   map[string]resource.Quantity{"cpu": resource.MustParse("1"), "acme.com/gpu": resource.MustParse("1")},
						},
						Probes: &pm.FunctionProbes{Readiness: &pm.HTTPProbe{Path: "/ready", PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3}},
					},
				},
				{Key: "Cart.sum", Type: pm.FunctionWasm, Provision: &pm.FunctionProvision{WasmModuleURL: "oci://ghcr.io/acme/sum:1"}},
				{Key: "Cart.get", Type: pm.FunctionBuiltin},
			},
		},
	}
}

func TestValidatePackage(t *testing.T) {
	const (
		class    = "spec.classes[0]"
		binding  = class + ".functionBindings[0]"
		function = "spec.functions[0]"
		provides = function + ".provision"
		secrets  = function + ".secretConfig[0]"
		volumes  = provides + ".volumeMounts[0]"
	)
	volume := func(change func(*pm.VolumeMount)) func(*pm.Package) {
		mount := pm.VolumeMount{Name: "models", MountPath: "/etc/models", ConfigMap: &pm.ObjectVolume{Name: "models"}}
		change(&mount)
		return func(p *pm.Package) { p.Spec.Functions[0].Provision.VolumeMounts = []pm.VolumeMount{mount} }
	}
	secret := func(change func(*pm.SecretVariable)) func(*pm.Package) {
		variable := pm.SecretVariable{Name: "DB_URL", SecretName: "db", Key: "url"}
		change(&variable)
		return func(p *pm.Package) { p.Spec.Functions[0].SecretConfig = []pm.SecretVariable{variable} }
	}
	provision := func(change func(*pm.FunctionProvision)) func(*pm.Package) {
		return func(p *pm.Package) { change(p.Spec.Functions[0].Provision) }
	}
	tests := map[string]struct {
		change func(*pm.Package)
		want   []string
	}{
		"a complete package is accepted":            {change: func(*pm.Package) {}},
		"a package without classes is accepted":     {change: func(p *pm.Package) { p.Spec = pm.PackageSpec{} }},
		"a loose version is accepted":               {change: func(p *pm.Package) { p.Spec.Version = "1.0" }},
		"a class with state alone is accepted":      {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings = nil }},
		"a class with methods alone is accepted":    {change: func(p *pm.Package) { p.Spec.Classes[0].StateSpec = nil }},
		"a module in a file is accepted":            {change: func(p *pm.Package) { p.Spec.Functions[1].Provision.WasmModuleURL = "file:///m/sum.wasm" }},
		"an image by digest is accepted":            {change: provision(func(f *pm.FunctionProvision) { f.Image = "acme/cart@sha256:" + strings.Repeat("a", 64) })},
		"a request without a limit is accepted":     {change: provision(func(f *pm.FunctionProvision) { f.Resources.Limits = nil })},
		"a name with capitals is refused":           {change: func(p *pm.Package) { p.Name = "Shop" }, want: []string{invalid + "metadata.name"}},
		"a name with dots is refused":               {change: func(p *pm.Package) { p.Name = "a.b" }, want: []string{invalid + "metadata.name"}},
		"a word is no version":                      {change: func(p *pm.Package) { p.Spec.Version = "newest" }, want: []string{invalid + "spec.version"}},
		"an author may be long but not endless":     {change: func(p *pm.Package) { p.Spec.Author = strings.Repeat("é", 257) }, want: []string{tooLong + "spec.author"}},
		"a description may be long but not endless": {change: func(p *pm.Package) { p.Spec.Description = strings.Repeat("x", 4097) }, want: []string{tooLong + "spec.description"}},
		"the same tag twice is refused":             {change: func(p *pm.Package) { p.Spec.Tags = []string{"a", "a"} }, want: []string{duplicate + "spec.tags[1]"}},
		"a blank tag is refused":                    {change: func(p *pm.Package) { p.Spec.Tags = []string{" "} }, want: []string{required + "spec.tags[0]"}},
		"a long tag is refused":                     {change: func(p *pm.Package) { p.Spec.Tags = []string{strings.Repeat("x", 65)} }, want: []string{tooLong + "spec.tags[0]"}},
		"a dependency needs a name":                 {change: func(p *pm.Package) { p.Spec.Dependencies[0].Name = "" }, want: []string{required + "spec.dependencies[0].name"}},
		"a dependency on itself is refused":         {change: func(p *pm.Package) { p.Spec.Dependencies[0].Name = "shop" }, want: []string{invalid + "spec.dependencies[0].name"}},
		"the same dependency twice is refused":      {change: func(p *pm.Package) { p.Spec.Dependencies = append(p.Spec.Dependencies, p.Spec.Dependencies[0]) }, want: []string{duplicate + "spec.dependencies[1]"}},
		"a range that is none is refused":           {change: func(p *pm.Package) { p.Spec.Dependencies[0].Version = "about 2" }, want: []string{invalid + "spec.dependencies[0].version"}},
		"a class needs a key":                       {change: func(p *pm.Package) { p.Spec.Classes[0].Key = "" }, want: []string{required + class + ".key"}},
		"a key with a slash is refused":             {change: func(p *pm.Package) { p.Spec.Classes[0].Key = "shop/Cart" }, want: []string{invalid + class + ".key"}},
		"a key of 201 characters is refused":        {change: func(p *pm.Package) { p.Spec.Classes[0].Key = strings.Repeat("k", 201) }, want: []string{tooLong + class + ".key"}},
		"two classes with one key are refused":      {change: func(p *pm.Package) { p.Spec.Classes = append(p.Spec.Classes, p.Spec.Classes[0]) }, want: []string{duplicate + "spec.classes[1].key"}},
		"a class without methods and state": {change: func(p *pm.Package) {
			p.Spec.Classes[0] = pm.ClassDefinition{Key: "A", FunctionBindings: []pm.FunctionBinding{}}
		}, want: []string{required + class + ".functionBindings"}},
		"an unknown consistency is refused":           {change: func(p *pm.Package) { p.Spec.Classes[0].StateSpec.ConsistencyModel = "STRONG" }, want: []string{unsupported + class + ".stateSpec.consistencyModel"}},
		"two parts of the state with one name":        {change: func(p *pm.Package) { s := p.Spec.Classes[0].StateSpec; s.KeySpecs = append(s.KeySpecs, s.KeySpecs[0]) }, want: []string{duplicate + class + ".stateSpec.keySpecs[1]"}},
		"a method needs a name":                       {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[0].Name = "" }, want: []string{required + binding + ".name"}},
		"a method needs a function":                   {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[0].FunctionKey = "" }, want: []string{required + binding + ".functionKey"}},
		"a method of an unknown function is refused":  {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[0].FunctionKey = "Cart.ad" }, want: []string{invalid + binding + ".functionKey"}},
		"two methods with one name are refused":       {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[1].Name = "add" }, want: []string{duplicate + class + ".functionBindings[1]"}},
		"an unknown access modifier is refused":       {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[0].AccessModifier = "PUBLIC" }, want: []string{unsupported + binding + ".accessModifier"}},
		"the same parameter twice is refused":         {change: func(p *pm.Package) { p.Spec.Classes[0].FunctionBindings[0].Parameters = []string{"a", "a"} }, want: []string{duplicate + binding + ".parameters[1]"}},
		"an unknown function type is refused":         {change: func(p *pm.Package) { p.Spec.Functions[2].Type = "Magic" }, want: []string{unsupported + "spec.functions[2].type"}},
		"two functions with one key are refused":      {change: func(p *pm.Package) { p.Spec.Functions[2].Key = "Cart.add" }, want: []string{duplicate + "spec.functions[2].key"}},
		"a custom function needs a provision":         {change: func(p *pm.Package) { p.Spec.Functions[0].Provision = nil }, want: []string{required + provides + ".image"}},
		"a custom function needs an image":            {change: provision(func(f *pm.FunctionProvision) { f.Image = "" }), want: []string{required + provides + ".image"}},
		"an image with capitals is refused":           {change: provision(func(f *pm.FunctionProvision) { f.Image = "Acme/Cart" }), want: []string{invalid + provides + ".image"}},
		"an image with a space is refused":            {change: provision(func(f *pm.FunctionProvision) { f.Image = "acme/cart :1" }), want: []string{invalid + provides + ".image"}},
		"a Wasm function needs a module":              {change: func(p *pm.Package) { p.Spec.Functions[1].Provision = nil }, want: []string{required + "spec.functions[1].provision.wasmModuleURL"}},
		"a module by ftp is refused":                  {change: func(p *pm.Package) { p.Spec.Functions[1].Provision.WasmModuleURL = "ftp://a/b" }, want: []string{invalid + "spec.functions[1].provision.wasmModuleURL"}},
		"a module without a host is refused":          {change: func(p *pm.Package) { p.Spec.Functions[1].Provision.WasmModuleURL = "https:///b" }, want: []string{invalid + "spec.functions[1].provision.wasmModuleURL"}},
		"negative fuel is refused":                    {change: provision(func(f *pm.FunctionProvision) { f.WasmFuel = -1 }), want: []string{invalid + provides + ".wasmFuel"}},
		"port 65536 is refused":                       {change: provision(func(f *pm.FunctionProvision) { f.Port = 65536 }), want: []string{invalid + provides + ".port"}},
		"a negative port is refused":                  {change: provision(func(f *pm.FunctionProvision) { f.Port = -1 }), want: []string{invalid + provides + ".port"}},
		"a negative concurrency is refused":           {change: provision(func(f *pm.FunctionProvision) { f.MaxConcurrency = -1 }), want: []string{invalid + provides + ".maxConcurrency"}},
		"a negative scale is refused":                 {change: provision(func(f *pm.FunctionProvision) { f.MinScale = ptr.To[int32](-1) }), want: []string{invalid + provides + ".minScale"}},
		"a least above the greatest scale is refused": {change: provision(func(f *pm.FunctionProvision) { f.MinScale = ptr.To[int32](5) }), want: []string{invalid + provides + ".minScale"}},
		"a negative quantity is refused":              {change: provision(func(f *pm.FunctionProvision) { f.Resources.Requests["cpu"] = resource.MustParse("-1") }), want: []string{invalid + provides + ".resources.requests[cpu]"}},
		"a request above its limit is refused":        {change: provision(func(f *pm.FunctionProvision) { f.Resources.Requests["cpu"] = resource.MustParse("1001m") }), want: []string{invalid + provides + ".resources.requests[cpu]"}},
		"an unknown resource is refused":              {change: provision(func(f *pm.FunctionProvision) { f.Resources.Limits["cpus"] = resource.MustParse("1") }), want: []string{unsupported + provides + ".resources.limits[cpus]"}},
		"a probe needs a path":                        {change: provision(func(f *pm.FunctionProvision) { f.Probes.Readiness.Path = "ready" }), want: []string{invalid + provides + ".probes.readiness.path"}},
		"a probe waits no negative time":              {change: provision(func(f *pm.FunctionProvision) { f.Probes.Readiness.InitialDelaySeconds = -1 }), want: []string{invalid + provides + ".probes.readiness.initialDelaySeconds"}},
		"a configuration name with a dash is refused": {change: func(p *pm.Package) { p.Spec.Functions[0].Config = map[string]string{"http-port": "80"} }, want: []string{invalid + function + ".config[http-port]"}},
		"a variable from a Secret is accepted":        {change: secret(func(*pm.SecretVariable) {})},
		"a variable from a Secret needs a name":       {change: secret(func(v *pm.SecretVariable) { v.Name = "" }), want: []string{required + secrets + ".name"}},
		"its name is that of a variable":              {change: secret(func(v *pm.SecretVariable) { v.Name = "db-url" }), want: []string{invalid + secrets + ".name"}},
		"it is not in the configuration too":          {change: secret(func(v *pm.SecretVariable) { v.Name = "HTTP_PORT" }), want: []string{invalid + secrets + ".name"}},
		"it needs a Secret":                           {change: secret(func(v *pm.SecretVariable) { v.SecretName = "" }), want: []string{required + secrets + ".secretName"}},
		"its Secret has the name of one":              {change: secret(func(v *pm.SecretVariable) { v.SecretName = "Db" }), want: []string{invalid + secrets + ".secretName"}},
		"it needs a key":                              {change: secret(func(v *pm.SecretVariable) { v.Key = "" }), want: []string{required + secrets + ".key"}},
		"its key is one that a Secret can have":       {change: secret(func(v *pm.SecretVariable) { v.Key = "a/b" }), want: []string{invalid + secrets + ".key"}},
		"two variables with one name are refused": {change: func(p *pm.Package) {
			variable := pm.SecretVariable{Name: "DB_URL", SecretName: "db", Key: "url"}
			p.Spec.Functions[0].SecretConfig = []pm.SecretVariable{variable, variable}
		}, want: []string{duplicate + function + ".secretConfig[1]"}},
		"a volume is accepted":                 {change: volume(func(*pm.VolumeMount) {})},
		"a volume needs a name":                {change: volume(func(v *pm.VolumeMount) { v.Name = "" }), want: []string{required + volumes + ".name"}},
		"its name is a label":                  {change: volume(func(v *pm.VolumeMount) { v.Name = "my.models" }), want: []string{invalid + volumes + ".name"}},
		"its name leaves room for a prefix":    {change: volume(func(v *pm.VolumeMount) { v.Name = strings.Repeat("m", 51) }), want: []string{tooLong + volumes + ".name"}},
		"it is mounted somewhere":              {change: volume(func(v *pm.VolumeMount) { v.MountPath = "" }), want: []string{required + volumes + ".mountPath"}},
		"it is mounted at an absolute path":    {change: volume(func(v *pm.VolumeMount) { v.MountPath = "etc" }), want: []string{invalid + volumes + ".mountPath"}},
		"its path has no colon":                {change: volume(func(v *pm.VolumeMount) { v.MountPath = "/a:b" }), want: []string{invalid + volumes + ".mountPath"}},
		"it does not hide the image":           {change: volume(func(v *pm.VolumeMount) { v.MountPath = "/a/.." }), want: []string{invalid + volumes + ".mountPath"}},
		"a part of a volume is in it":          {change: volume(func(v *pm.VolumeMount) { v.SubPath = "a/../../b" }), want: []string{invalid + volumes + ".subPath"}},
		"a part of a volume is relative to it": {change: volume(func(v *pm.VolumeMount) { v.SubPath = "/a" }), want: []string{invalid + volumes + ".subPath"}},
		"a path is not counted in characters": {change: volume(func(v *pm.VolumeMount) {
			v.MountPath, v.SubPath = "/"+strings.Repeat("é", 600), strings.Repeat("é", 600)
		}), want: []string{tooLong + volumes + ".mountPath", tooLong + volumes + ".subPath"}},
		"a path has no control characters": {change: volume(func(v *pm.VolumeMount) { v.MountPath, v.SubPath = "/a\x00b", "\t" }), want: []string{invalid + volumes + ".mountPath", invalid + volumes + ".subPath"}},
		"a folder is not larger than can be counted": {change: volume(func(v *pm.VolumeMount) {
			v.ConfigMap, v.EmptyDir = nil, &pm.EmptyVolume{SizeLimit: new(resource.MustParse("1e30"))}
		}), want: []string{invalid + volumes + ".emptyDir.sizeLimit"}},
		"a request is not larger than can be counted": {change: provision(func(f *pm.FunctionProvision) {
			f.Resources.Limits["memory"] = resource.MustParse("1e30")
		}), want: []string{invalid + provides + ".resources.limits[memory]"}},
		"a volume needs a source":         {change: volume(func(v *pm.VolumeMount) { v.ConfigMap = nil }), want: []string{required + volumes}},
		"a volume has one source":         {change: volume(func(v *pm.VolumeMount) { v.EmptyDir = &pm.EmptyVolume{} }), want: []string{invalid + volumes}},
		"a ConfigMap has the name of one": {change: volume(func(v *pm.VolumeMount) { v.ConfigMap.Name = "../x" }), want: []string{invalid + volumes + ".configMap.name"}},
		"a claim needs a name": {change: volume(func(v *pm.VolumeMount) {
			v.ConfigMap, v.PersistentVolumeClaim = nil, &pm.ClaimVolume{}
		}), want: []string{required + volumes + ".persistentVolumeClaim.claimName"}},
		"a folder is on disk or in memory": {change: volume(func(v *pm.VolumeMount) {
			v.ConfigMap, v.EmptyDir = nil, &pm.EmptyVolume{Medium: "Tape"}
		}), want: []string{unsupported + volumes + ".emptyDir.medium"}},
		"a folder has no negative size": {change: volume(func(v *pm.VolumeMount) {
			v.ConfigMap, v.EmptyDir = nil, &pm.EmptyVolume{SizeLimit: new(resource.MustParse("-1"))}
		}), want: []string{invalid + volumes + ".emptyDir.sizeLimit"}},
		"two volumes in one place are refused": {change: provision(func(f *pm.FunctionProvision) {
			f.VolumeMounts = []pm.VolumeMount{
				{Name: "a", MountPath: "/data", EmptyDir: &pm.EmptyVolume{}}, {Name: "b", MountPath: "/data/", EmptyDir: &pm.EmptyVolume{}},
			}
		}), want: []string{duplicate + provides + ".volumeMounts[1].mountPath"}},
		"two volumes with one name are refused": {change: provision(func(f *pm.FunctionProvision) {
			f.VolumeMounts = []pm.VolumeMount{
				{Name: "a", MountPath: "/a", EmptyDir: &pm.EmptyVolume{}}, {Name: "a", MountPath: "/b", EmptyDir: &pm.EmptyVolume{}},
			}
		}), want: []string{duplicate + provides + ".volumeMounts[1]"}},
		"an option without a name is refused": {change: func(p *pm.Package) { p.Spec.Classes[0].Options = map[string]string{"": "x"} }, want: []string{tooShort + class + ".options"}},
		"half a device is refused":            {change: provision(func(f *pm.FunctionProvision) { f.Resources.Limits["acme.com/gpu"] = resource.MustParse("500m") }), want: []string{invalid + provides + ".resources.limits[acme.com/gpu]"}},
		"a device is limited as it is requested": {change: provision(func(f *pm.FunctionProvision) {
			f.Resources.Limits["acme.com/gpu"] = resource.MustParse("2")
			f.Resources.Requests["acme.com/gpu"] = resource.MustParse("1")
		}), want: []string{invalid + provides + ".resources.requests[acme.com/gpu]"}},
		"what is far too long is not even read": {
			change: func(p *pm.Package) {
				endless := strings.Repeat("1.", 1<<19)
				p.Spec.Version, p.Spec.Dependencies[0].Version = endless, endless
				p.Spec.Classes[0].FunctionBindings[0].FunctionKey = endless
				p.Spec.Functions[0].Provision.Image, p.Spec.Functions[1].Provision.WasmModuleURL = endless, endless
				p.Spec.Functions[0].Provision.Probes.Readiness.Path = endless
			},
			want: []string{
				tooLong + "spec.version", tooLong + "spec.dependencies[0].version", tooLong + binding + ".functionKey",
				tooLong + provides + ".image", tooLong + "spec.functions[1].provision.wasmModuleURL", tooLong + provides + ".probes.readiness.path",
			},
		},
		"too many tags are refused": {
			change: func(p *pm.Package) {
				p.Spec.Tags = nil
				for i := range 65 {
					p.Spec.Tags = append(p.Spec.Tags, fmt.Sprint("t", i))
				}
			},
			want: []string{tooMany + "spec.tags"},
		},
		"all errors come at once": {
			change: func(p *pm.Package) {
				p.Name = ""
				p.Spec.Version = "x"
				p.Spec.Classes[0].Key = "!"
				p.Spec.Functions[0].Provision.Image = ""
			},
			want: []string{required + "metadata.name", invalid + "spec.version", invalid + class + ".key", required + provides + ".image"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			p := validPackage()
			test.change(p)
			expectErrors(t, declared(t, resources.Packages, p, nil, validation.ValidatePackage(p)), test.want)
		})
	}
}

func TestPackageWarnings(t *testing.T) {
	const image = "spec.functions[0].provision.image: "
	tests := map[string]struct {
		change func(*pm.Package)
		want   []string
	}{
		"a package with pinned images": {change: func(*pm.Package) {}},
		"an image without a tag": {
			change: func(p *pm.Package) { p.Spec.Functions[0].Provision.Image = "acme/cart" },
			want:   []string{image + "acme/cart can change under a running deployment, name a version or a digest"},
		},
		"an image tagged latest": {
			change: func(p *pm.Package) { p.Spec.Functions[0].Provision.Image = "localhost:5000/cart:latest" },
			want:   []string{image + "localhost:5000/cart:latest can change under a running deployment, name a version or a digest"},
		},
		"an image that is never run": {
			change: func(p *pm.Package) { p.Spec.Functions[0].Type = pm.FunctionLogical },
			want:   []string{image + "ignored, only Custom functions run an image"},
		},
		"secrets in plain text": {
			change: func(p *pm.Package) {
				p.Spec.Functions[0].Config = map[string]string{
					"DB_PASSWORD": "x", "api_token": "x", "CLIENT_SECRET": "x",
					"TOKEN_FILE": "/run/token", "EMPTY_SECRET": "", "HTTP_PORT": "80",
				}
			},
			want: []string{
				"spec.functions[0].config[CLIENT_SECRET]: looks like a secret in plain text, use secretConfig",
				"spec.functions[0].config[DB_PASSWORD]: looks like a secret in plain text, use secretConfig",
				"spec.functions[0].config[api_token]: looks like a secret in plain text, use secretConfig",
			},
		},
		"secrets of a function without a container": {
			change: func(p *pm.Package) {
				p.Spec.Functions[2].SecretConfig = []pm.SecretVariable{{Name: "A", SecretName: "b", Key: "c"}}
			},
			want: []string{"spec.functions[2].secretConfig: ignored, only Custom functions have containers"},
		},
		"volumes of a function without a container": {
			change: func(p *pm.Package) {
				p.Spec.Functions[1].Provision.VolumeMounts = []pm.VolumeMount{{Name: "a", MountPath: "/a", EmptyDir: &pm.EmptyVolume{}}}
			},
			want: []string{"spec.functions[1].provision.volumeMounts: ignored, only Custom functions have containers"},
		},
		"a trigger on state that is not there": {
			change: func(p *pm.Package) { p.Spec.Classes[0].StateSpec = nil },
			want:   []string{"spec.classes[0].functionBindings[1].triggerOnStateChange: never happens, the class has no stateSpec"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			p := validPackage()
			test.change(p)
			if diff := cmp.Diff(test.want, validation.PackageWarnings(p)); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}
