// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import "testing"

func TestHealth(t *testing.T) {
	cases := map[string]struct {
		object string
		want   Health
	}{
		"a StatefulSet whose replicas all serve": {`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: x, generation: 2}
spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}
status: {observedGeneration: 2, replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: a}
`, Health{Settled: true, Available: true, Counted: true, Created: 3, Ready: 3}},
		"a StatefulSet that starts": {`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: x, generation: 1}
spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}
status: {observedGeneration: 1, replicas: 3, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: a}
`, Health{Counted: true, Created: 3, Ready: 2}},
		"a StatefulSet that takes one replica at a time to a new revision": {`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: x, generation: 2}
spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}
status: {observedGeneration: 2, replicas: 3, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 1, currentReplicas: 2, currentRevision: a, updateRevision: b}
`, Health{Available: true, Counted: true, Created: 1, Ready: 2}},
		"a DaemonSet on every node": {`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: x, generation: 1}
status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 2, numberAvailable: 2}
`, Health{Settled: true, Available: true, Counted: true, Created: 2, Ready: 2}},
		"a DaemonSet that was not looked at yet": {`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: x, generation: 1}
`, Health{Counted: true}},
		"a DaemonSet that no node fits": {`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: x, generation: 1}
status: {observedGeneration: 1, desiredNumberScheduled: 0, currentNumberScheduled: 0, numberReady: 0}
`, Health{Counted: true, Refused: true, Reason: ReasonNoNodes}},
		"a Job that runs": {`
apiVersion: batch/v1
kind: Job
metadata: {name: x}
status: {active: 1, ready: 1, startTime: "2026-01-01T00:00:00Z"}
`, Health{Settled: true, Available: true, Counted: true, Created: 1, Ready: 1}},
		"a Job that failed": {`
apiVersion: batch/v1
kind: Job
metadata: {name: x}
status: {failed: 1, startTime: "2026-01-01T00:00:00Z", conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: too often}]}
`, Health{Failed: true, Counted: true, Reason: ReasonRolloutFailed}},
		"a Knative Service that is ready": {`
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: x, generation: 1}
status: {observedGeneration: 1, url: "http://x.example", latestReadyRevisionName: x-1, conditions: [{type: Ready, status: "True"}, {type: RoutesReady, status: "True"}]}
`, Health{Settled: true, Available: true, URL: "http://x.example"}},
		"a Knative Service whose new revision fails while the old one serves": {`
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: x, generation: 2}
status: {observedGeneration: 2, latestReadyRevisionName: x-1, conditions: [{type: Ready, status: "False", reason: RevisionFailed, message: no image}, {type: RoutesReady, status: "True"}]}
`, Health{Failed: true, Available: true, Reason: "RevisionFailed", Message: "no image"}},
		"a Knative Service that starts": {`
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: x, generation: 1}
status: {observedGeneration: 1, conditions: [{type: Ready, status: Unknown, reason: Deploying, message: soon}]}
`, Health{Reason: "Deploying", Message: "soon"}},
		"a Service has nothing to tell": {`
apiVersion: v1
kind: Service
metadata: {name: x}
`, Health{Settled: true, Available: true}},
		"an object of a kind that says that it is ready": {`
apiVersion: example.org/v1
kind: Thing
metadata: {name: x}
status: {conditions: [{type: Ready, status: "True"}]}
`, Health{Settled: true, Available: true}},
		"a Deployment whose pods are refused": {`
apiVersion: apps/v1
kind: Deployment
metadata: {name: x, generation: 1}
spec: {replicas: 1}
status: {observedGeneration: 1, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: quota}]}
`, Health{Counted: true, Refused: true, Reason: "FailedCreate", Message: "quota", Scaling: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := parse(t, tc.object)
			got := Digest(object.GroupVersionKind(), object).Health
			if tc.want.Message == "" {
				// Others' words.
				got.Message = ""
			}
			if got != tc.want {
				t.Errorf("Health = %+v, want %+v", got, tc.want)
			}
		})
	}
}
