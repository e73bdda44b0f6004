// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

// read decodes what a client sent as the server does: strictly, with defaults.
func read(codecs serializer.CodecFactory, kind string, body []byte, into runtime.Object) bool {
	expected := v1alpha1.SchemeGroupVersion.WithKind(kind)
	_, got, err := codecs.UniversalDecoder(pm.SchemeGroupVersion).Decode(body, &expected, into)
	// Internal objects have none.
	into.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return err == nil && *got == expected
}

// written is an object as a client gets it, read once more.
func written(t *testing.T, codecs serializer.CodecFactory, kind string, object, into runtime.Object) {
	t.Helper()
	encoded, err := runtime.Encode(codecs.LegacyCodec(v1alpha1.SchemeGroupVersion), object)
	if err != nil {
		t.Fatalf("encode what was decoded: %v", err)
	}
	if !read(codecs, kind, encoded, into) {
		t.Fatalf("cannot read what was written: %s", encoded)
	}
}

func strictCodecs() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict)
}

// agree fails unless two validations of an object found the same, in whatever
// order: that of a map's entries is another each time.
func agree(t *testing.T, first, second field.ErrorList) {
	t.Helper()
	texts := func(errs field.ErrorList) (all []string) {
		for _, err := range errs {
			all = append(all, err.Error())
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(texts(first), texts(second)); diff != "" {
		t.Fatalf("two validations differ:\n%s", diff)
	}
}

func FuzzValidatePackage(f *testing.F) {
	const kind = `"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package"`
	for _, seed := range []string{
		`{` + kind + `}`,
		`{` + kind + `,"metadata":{"name":"shop","namespace":"a"},"spec":{"version":"1.0","tags":["a","a",""],
		  "dependencies":[{"name":"shop","version":">=1 <2"},{"name":"b","version":"||"}],
		  "classes":[{"key":"C","stateSpec":{"keySpecs":[{"name":"k"},{"name":"k"}]},"options":{"":"x","a":"b"},
		    "functionBindings":[{"name":"m","functionKey":"f"},{"name":"m","functionKey":"g","accessModifier":"No"}]}],
		  "functions":[{"key":"f","provision":{"image":"acme/f:1","minScale":3,"maxScale":1,
		    "resources":{"requests":{"cpu":"100u","memory":"1e3","acme.com/gpu":"1"},"limits":{"cpu":"-1","hugepages-2Mi":"1"}},
		    "probes":{"liveness":{"path":"x","periodSeconds":-1}}},"config":{"A-B":"1","C":"","A_TOKEN":"x"},"secretConfig":[{"name":"C","secretName":"-","key":"/"},{"name":"C"},{}]},
		    {"key":"f","type":"Wasm","provision":{"wasmModuleURL":"oci:"}}]}}`,
		`{` + kind + `,"metadata":{"name":"shop","namespace":"a"},"spec":{"dependencies":[{"name":"images","version":"^1"}],
		  "classes":[{"key":"C","functionBindings":[{"name":"a","functionKey":"images.Image.resize"},{"name":"b","functionKey":"images."},
		    {"name":"c","functionKey":".x"},{"name":"d","functionKey":"other.f"}]}],
		  "deployments":[{"name":"d","labels":{"-":""},"annotations":{"":"x"},"spec":{"packageName":"other","classKey":"C","nfr":{"availability":"2"}}},
		    {"name":"d","spec":{"classKey":"D"}},{"spec":{}}]}}`,
		`{` + kind + `,"spec":{"functions":[{"provision":null,"type":"Custom"},{"type":"Wasm"},{"key":"a","provision":{"port":0}}],"classes":[{}]}}`,
	} {
		f.Add([]byte(seed))
	}
	codecs := strictCodecs()
	f.Fuzz(func(t *testing.T, body []byte) {
		p, again := &pm.Package{}, &pm.Package{}
		if !read(codecs, "Package", body, p) {
			return
		}
		agree(t, validation.ValidatePackage(p), validation.ValidatePackage(p.DeepCopy()))
		agree(t, declared(t, resources.Packages, p, nil, nil), declared(t, resources.Packages, p.DeepCopy(), nil, nil))
		agree(t, validation.ValidatePackageUpdate(p, p), validation.ValidatePackageUpdate(p, p))
		agree(t, validation.ValidatePackageStatusUpdate(p, p), validation.ValidatePackageStatusUpdate(p, p))
		if diff := cmp.Diff(validation.PackageWarnings(p), validation.PackageWarnings(p)); diff != "" {
			t.Fatalf("two rounds of warnings differ:\n%s", diff)
		}
		if written(t, codecs, "Package", p, again); !equality.Semantic.DeepEqual(p, again) {
			t.Fatalf("defaults are not stable:\n%s", cmp.Diff(p, again))
		}
	})
}

func FuzzValidateClassDeployment(f *testing.F) {
	const kind = `"apiVersion":"pm.oaas.io/v1alpha1","kind":"ClassDeployment"`
	for _, seed := range []string{
		`{` + kind + `}`,
		`{` + kind + `,"metadata":{"name":"d","namespace":"a"},"spec":{"packageName":"p","classKey":"C",
		  "targetEnvironments":["dev","dev"],"targetClusters":["A"],"clusterSelector":{"matchExpressions":[{"key":"a","operator":"In"}]},
		  "placement":{},"nfr":{"minThroughputRPS":-1,"maxLatencyMs":0,"availability":"1.5","cpuUtilizationTarget":101},
		  "replicas":{"min":3,"max":1},"enforcement":{"mode":"X","dimensions":["cpu","cpu"]},"templates":{"prod":"-","dev":""},
		  "odgm":{"collections":["a","a"],"partitionCount":0,"shardType":"x","options":{"":""}},
		  "telemetry":{"samplingRate":"2","resourceAttributes":{"":""}},"deletionPolicy":"x"},
		  "status":{"observedGeneration":-1,"phase":"x","units":[{},{}],"conditions":[{}]}}`,
	} {
		f.Add([]byte(seed))
	}
	codecs := strictCodecs()
	f.Fuzz(func(t *testing.T, body []byte) {
		d, again := &pm.ClassDeployment{}, &pm.ClassDeployment{}
		if !read(codecs, "ClassDeployment", body, d) {
			return
		}
		agree(t, validation.ValidateClassDeployment(d), validation.ValidateClassDeployment(d.DeepCopy()))
		agree(t, declared(t, resources.ClassDeployments, d, nil, nil), declared(t, resources.ClassDeployments, d.DeepCopy(), nil, nil))
		agree(t, validation.ValidateClassDeploymentUpdate(d, d), validation.ValidateClassDeploymentUpdate(d, d))
		agree(t, validation.ValidateClassDeploymentStatusUpdate(d, d), validation.ValidateClassDeploymentStatusUpdate(d, d))
		if written(t, codecs, "ClassDeployment", d, again); !equality.Semantic.DeepEqual(d, again) {
			t.Fatalf("defaults are not stable:\n%s", cmp.Diff(d, again))
		}
	})
}

func FuzzValidateCluster(f *testing.F) {
	const kind = `"apiVersion":"pm.oaas.io/v1alpha1","kind":"Cluster"`
	for _, seed := range []string{
		`{` + kind + `}`,
		`{` + kind + `,"metadata":{"name":"c"},"spec":{"endpoint":"[::1]:80","environments":["a","a"],"tls":{"caBundle":"LS0t","serverName":"-"},
		  "auth":{"type":"Bearer"},"timeout":"-1s","retryAttempts":-1},
		  "status":{"health":"x","availability":"x","nodeCount":-1,"readyNodes":5,"circuitBreaker":{"failures":-1}}}`,
	} {
		f.Add([]byte(seed))
	}
	codecs := strictCodecs()
	f.Fuzz(func(t *testing.T, body []byte) {
		c, again := &pm.Cluster{}, &pm.Cluster{}
		if !read(codecs, "Cluster", body, c) {
			return
		}
		agree(t, validation.ValidateCluster(c), validation.ValidateCluster(c.DeepCopy()))
		agree(t, declared(t, resources.Clusters, c, nil, nil), declared(t, resources.Clusters, c.DeepCopy(), nil, nil))
		agree(t, validation.ValidateClusterStatusUpdate(c, c), validation.ValidateClusterStatusUpdate(c, c))
		if written(t, codecs, "Cluster", c, again); !equality.Semantic.DeepEqual(c, again) {
			t.Fatalf("defaults are not stable:\n%s", cmp.Diff(c, again))
		}
	})
}
