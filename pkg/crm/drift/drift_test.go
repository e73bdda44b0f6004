// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package drift

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func content(t *testing.T, text string) map[string]any {
	t.Helper()
	encoded, err := yaml.YAMLToJSON([]byte("kind: X\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(encoded); err != nil {
		t.Fatal(err)
	}
	return u.Object
}

func TestFind(t *testing.T) {
	const want = `
metadata: {labels: {a: b}}
spec:
  replicas: 2
  drop: [ALL]
  containers:
  - name: function
    image: one
    ports: [{containerPort: 80, protocol: TCP, name: http}]
    env: [{name: A, value: x}]
`
	cases := map[string]struct {
		live string
		path string
	}{
		"the same is no drift": {live: want},
		"what others added and defaults filled in is no drift": {live: `
metadata: {labels: {a: b, other: c}, uid: u}
spec:
  replicas: 2
  paused: false
  drop: [ALL]
  containers:
  - {name: sidecar, image: mesh}
  - name: function
    image: one
    imagePullPolicy: Always
    ports: [{containerPort: 80, protocol: TCP, name: http}]
    env: [{name: B, value: y}, {name: A, value: x}]
`},
		"a changed number": {path: "spec.replicas", live: `
metadata: {labels: {a: b}}
spec: {replicas: 3, drop: [ALL], containers: [{name: function, image: one, ports: [{containerPort: 80, protocol: TCP, name: http}], env: [{name: A, value: x}]}]}
`},
		"a removed label": {path: "metadata.labels", live: `
metadata: {name: x}
spec: {replicas: 2}
`},
		"a changed image": {path: "spec.containers[function].image", live: `
metadata: {labels: {a: b}}
spec: {replicas: 2, drop: [ALL], containers: [{name: function, image: two, ports: [{containerPort: 80, protocol: TCP, name: http}], env: [{name: A, value: x}]}]}
`},
		"a removed variable": {path: "spec.containers[function].env[A]", live: `
metadata: {labels: {a: b}}
spec: {replicas: 2, drop: [ALL], containers: [{name: function, image: one, ports: [{containerPort: 80, protocol: TCP, name: http}], env: [{name: B}]}]}
`},
		"an atomic list that grew": {path: "spec.drop", live: `
metadata: {labels: {a: b}}
spec: {replicas: 2, drop: [ALL, X], containers: [{name: function, image: one, ports: [{containerPort: 80, protocol: TCP, name: http}], env: [{name: A, value: x}]}]}
`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path, found := Find(content(t, want), content(t, tc.live))
			if found != (tc.path != "") || (found && path != tc.path) {
				t.Errorf("Find = %q, %v; want %q", path, found, tc.path)
			}
		})
	}
}
