// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selection

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/environment"
)

func TestSelect(t *testing.T) {
	type said map[string]string
	cases := map[string]struct {
		given []change
		want  string
		// reasons are parts of what is said of templates.
		reasons said
	}{
		// Plain clusters.
		"a record of today runs as Deployments": {want: "deployment", reasons: said{
			"knative":   "needs kinds that the cluster does not serve: Service.serving.knative.dev",
			"job":       "does not serve calls",
			"daemonset": "only where a record pins it",
		}},
		"a record without any plan runs as Deployments": {given: []change{func(s *scene) { s.spec.ResourceAllocation = v1alpha1.ResourceAllocation{} }}, want: "deployment"},
		"a class without functions is a Deployment's":   {given: []change{knativeServed, func(s *scene) { s.spec.FunctionContainers = nil }}, want: "deployment"},
		"a stopped function runs as a Deployment": {
			given: []change{knativeServed, func(s *scene) { s.spec.FunctionContainers[0].MaxReplicas = new(int32(0)) }},
			want:  "deployment",
		},
		"a function that may rest runs as a Deployment where nothing wakes it": {given: []change{mayRest}, want: "deployment"},
		"strict latency, rate and availability run as Deployments": {
			given: []change{latency(20), throughput(50_000), availability("0.9999")}, want: "deployment",
		},

		// Knative.
		"Knative wins where functions may rest": {given: []change{knativeServed, mayRest}, want: "knative", reasons: said{
			"knative": "+20 scales to zero while nobody calls",
		}},
		"Knative wins for a low rate": {given: []change{knativeServed, mayRest, throughput(RestingThroughputRPS)}, want: "knative", reasons: said{
			"knative": "+20 scales to zero while nobody calls",
		}},
		"a higher rate never rests, and a template that grows wins over Knative": {
			given: []change{knativeServed, mayRest, throughput(RestingThroughputRPS + 1), template("grows", func(c *Candidate) {
				c.Spec.Capabilities.Autoscaling = true
				c.Spec.SelectionCriteria.Priority = 1
			})},
			want: "grows",
		},
		"Knative wins for a low rate that nobody planned": {
			given: []change{knativeServed, throughput(10), func(s *scene) { s.spec.ResourceAllocation = v1alpha1.ResourceAllocation{} }}, want: "knative",
		},
		"Knative wins with a latency that outlasts a cold start": {given: []change{knativeServed, mayRest, latency(ColdStartMs)}, want: "knative"},
		"Knative loses where the profile turns it off": {
			given: []change{knativeServed, mayRest, func(s *scene) { s.defaults = environment.ProfileDefaults(config.ProfileEdge) }},
			want:  "deployment", reasons: said{"knative": "OPRC_CRM_FEATURES_KNATIVE"},
		},
		"Knative loses where the environment does not allow it": {
			given: []change{knativeServed, mayRest, allow(v1alpha1.AllowedTemplate{Name: "deployment"})},
			want:  "deployment", reasons: said{"knative": `not among the allowedTemplates of environment "prod"`, "statefulset": "not among the allowedTemplates"},
		},
		"Knative loses where a function mounts a claim": {given: []change{knativeServed, mayRest, mountsClaim}, want: "deployment", reasons: said{
			"knative": `mounts the PersistentVolumeClaim "models" of function "add" only where`,
		}},
		"Knative loses where a function mounts what it may reserve": {given: []change{knativeServed, mayRest, mountsTemporary}, want: "deployment", reasons: said{
			"knative": `mounts nothing at /tmp in some versions of Knative, which function "add" asks for`,
		}},
		"a pin says that Knative mounts claims": {given: []change{knativeServed, mayRest, mountsClaim, pin("knative")}, want: "knative"},
		"a latency bound excludes what scales to zero": {given: []change{knativeServed, mayRest, latency(200)}, want: "deployment", reasons: said{
			"knative": "cannot keep 200 ms: it scales to zero, and a cold start may take 5000 ms",
		}},
		"an availability excludes what scales to zero": {given: []change{knativeServed, mayRest, availability("0.99")}, want: "deployment", reasons: said{
			"knative": "the availability asks for 2 replicas at any time",
		}},
		"a replica that waits excludes what scales to zero": {given: []change{knativeServed}, want: "deployment", reasons: said{
			"knative": `function "add" keeps 1 replicas at any time`,
		}},
		"one function that keeps a replica excludes what scales to zero": {
			given: []change{knativeServed, mayRest, func(s *scene) {
				s.spec.FunctionContainers = append(s.spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: "sum"})
			}},
			want: "deployment", reasons: said{"knative": `function "sum" keeps 1 replicas`},
		},

		// State.
		"transient state without a grid runs as Deployments": {given: []change{transientState}, want: "deployment", reasons: said{
			"deployment": "state is not kept: no image of the data grid is configured",
		}},
		"persistent state without a grid runs as Deployments, as ever": {given: []change{persistentState}, want: "deployment", reasons: said{
			"deployment": "state is not kept: no image of the data grid is configured",
		}},
		"transient state with a grid has a grid of its own": {given: []change{transientState, gridConfigured}, want: "deployment", reasons: said{
			"deployment": "+30 runs the data grid as a cluster of its own",
		}},
		"persistent state with a grid has a grid of its own": {given: []change{persistentState, gridConfigured}, want: "deployment", reasons: said{
			"deployment": "+30 runs the data grid as a cluster of its own",
		}},
		"persistent state that rests has Knative beside its grid": {given: []change{persistentState, gridConfigured, knativeServed, mayRest}, want: "knative"},
		"persistent state with strict latency has its grid beside the functions": {
			given: []change{persistentState, gridConfigured, latency(20), fixedSize}, want: "statefulset",
			reasons: said{"statefulset": "which helps to keep 20 ms"},
		},
		"persistent state excludes a template without a place for it": {
			given: []change{persistentState, gridConfigured, template("bare", func(c *Candidate) { c.Spec.SelectionCriteria.Priority = 100 })},
			want:  "deployment", reasons: said{"bare": "cannot keep persistent state"},
		},
		"transient state gets along without a place": {
			given: []change{transientState, gridConfigured, template("bare", func(c *Candidate) { c.Spec.SelectionCriteria.Priority = 100 })},
			want:  "bare", reasons: said{"bare": "state is not kept: the template runs no data grid"},
		},
		"storage of a template's own keeps persistent state without a grid": {
			given: []change{persistentState, template("disk", func(c *Candidate) { c.Spec.Capabilities.PersistentStorage = true })},
			want:  "disk", reasons: said{"disk": "+25 has persistent storage of its own"},
		},
		"a grid without storage says how long state lives": {
			given:   []change{persistentState, gridConfigured, func(s *scene) { s.defaults.ODGMStorage = nil }},
			want:    "deployment",
			reasons: said{"deployment": "state lives as long as the pods of the data grid"},
		},

		// Capabilities.
		"a least latency excludes": {
			given: []change{latency(50), template("slow", func(c *Candidate) {
				c.Spec.Capabilities.MinLatencyMs = new(int64(100))
				c.Spec.SelectionCriteria.Priority = 100
			})},
			want: "deployment", reasons: said{"slow": "cannot keep 50 ms: its least latency is 100 ms"},
		},
		"a greatest rate excludes": {
			given: []change{throughput(5000), template("small", func(c *Candidate) {
				c.Spec.Capabilities.MaxThroughputRPS = new(int64(4999))
				c.Spec.SelectionCriteria.Priority = 100
			})},
			want: "deployment", reasons: said{"small": "cannot sustain 5000 requests per second: its greatest rate is 4999"},
		},
		"what can just do it is eligible": {
			given: []change{throughput(5000), latency(100), template("just", func(c *Candidate) {
				c.Spec.Capabilities.MaxThroughputRPS, c.Spec.Capabilities.MinLatencyMs = new(int64(5000)), new(int64(100))
				c.Spec.SelectionCriteria.Priority = 100
			})},
			want: "just",
		},
		"what is made for the latency wins": {
			given: []change{latency(10), template("fast", func(c *Candidate) {
				c.Spec.Capabilities.MaxLatencyMs = new(int64(10))
				c.Spec.Capabilities.Autoscaling = true
			})},
			want: "fast", reasons: said{"fast": "+20 is made for latencies up to 10 ms"},
		},
		"what is made for low latency is no use to others": {
			given: []change{template("fast", func(c *Candidate) { c.Spec.Capabilities.MaxLatencyMs = new(int64(10)) })},
			want:  "deployment",
		},
		"a function larger than the environment's ceiling excludes a template": {
			given: []change{
				func(s *scene) {
					s.spec.FunctionContainers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}
				},
				allow(
					v1alpha1.AllowedTemplate{Name: "deployment", MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
					v1alpha1.AllowedTemplate{Name: "statefulset"},
				),
			},
			want: "statefulset", reasons: said{"deployment": `may not give function "add" 4 of cpu: the environment's ceiling is 2`},
		},

		// Templates that users add.
		"a template for the environment wins": {
			given: []change{template("ours", func(c *Candidate) {
				c.Spec.SelectionCriteria.Environments = []string{"prod"}
				c.Spec.Capabilities.Autoscaling = true
			})},
			want: "ours", reasons: said{"ours": "+15 is made for the environment"},
		},
		"a template for other environments is not chosen": {
			given: []change{template("ours", func(c *Candidate) {
				c.Spec.SelectionCriteria = v1alpha1.SelectionCriteria{Environments: []string{"test", "dev"}, Priority: 100}
			})},
			want: "deployment", reasons: said{"ours": "is for other environments: dev, test"},
		},
		"a condition that is false excludes": {
			given: []change{template("ours", func(c *Candidate) {
				c.Matches = false
				c.Spec.SelectionCriteria = v1alpha1.SelectionCriteria{When: "functions.size() > 3", Priority: 100}
			})},
			want: "deployment", reasons: said{"ours": "selectionCriteria.when is false: functions.size() > 3"},
		},
		"a condition that fails excludes": {
			given: []change{template("ours", func(c *Candidate) { c.MatchError = errors.New("no such key") })},
			want:  "deployment", reasons: said{"ours": "selectionCriteria.when: no such key"},
		},
		"a template that is not valid excludes itself": {
			given: []change{template("ours", func(c *Candidate) {
				*c = Candidate{Name: "ours", Spec: c.Spec, Invalid: errors.New("line 3: no such field")}
			})},
			want: "deployment", reasons: said{"ours": "is not valid: line 3: no such field"},
		},
		"all obstacles are told": {
			given: []change{latency(50), template("ours", func(c *Candidate) {
				c.Spec.SelectionCriteria.OnlyPinned = true
				c.Spec.Capabilities.MinLatencyMs = new(int64(100))
				c.Missing = []schema.GroupKind{{Group: "b.example", Kind: "B"}, {Group: "a.example", Kind: "A"}}
			})},
			want: "deployment", reasons: said{"ours": "pins it; needs kinds that the cluster does not serve: A.a.example, B.b.example; cannot keep 50 ms"},
		},
		"storage that nothing would use costs a template the choice": {
			given: []change{template("apple", copyOf(t, "statefulset", 0))}, want: "deployment",
		},
		"a greater priority decides between equals": {
			given: []change{template("zebra", copyOf(t, "deployment", 1))}, want: "zebra",
		},
		"the name decides between equals": {
			given: []change{template("apple", copyOf(t, "deployment", 0)), template("zebra", copyOf(t, "deployment", 0))}, want: "apple",
		},
		"a negative priority yields": {
			given: []change{template("apple", copyOf(t, "deployment", -1))}, want: "deployment",
		},

		// Pins.
		"a pin wins over the score": {given: []change{pin("statefulset")}, want: "statefulset", reasons: said{"statefulset": "pinned by the record"}},
		"a pin uses what is never chosen": {
			given: []change{pin("daemonset")}, want: "daemonset",
		},
		"a pin uses what does not serve calls": {given: []change{pin("job")}, want: "job"},
		"a pin on what scales to zero is fine where all functions keep a replica": {
			given: []change{knativeServed, pin("knative"), latency(100), availability("0.99")}, want: "knative",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			request := onPlainCluster(t, tc.given...).request(t)
			result, err := Select(request)
			if err != nil {
				t.Fatal(err)
			}
			if result.Template != tc.want {
				t.Errorf("template %q, want %q:\n%+v", result.Template, tc.want, result.Status.Candidates)
			}
			if first := result.Status.Candidates[0]; first.Template != result.Template || !first.Eligible {
				t.Errorf("the first candidate is %+v", first)
			}
			for template, part := range tc.reasons {
				if got := strings.Join(reasonsOf(result.Status, template), "; "); !strings.Contains(got, part) {
					t.Errorf("of %s is said %q, not %q", template, got, part)
				}
			}
		})
	}
}

// copyOf makes a candidate like another one with the given priority more.
func copyOf(tb testing.TB, name string, more int32) func(*Candidate) {
	tb.Helper()
	return func(c *Candidate) {
		for _, other := range builtIn(tb) {
			if other.Name == name {
				c.Spec = other.Spec.DeepCopy()
				c.Spec.SelectionCriteria.Priority += more
			}
		}
	}
}

func reasonsOf(status v1alpha1.TemplateSelection, template string) []string {
	for _, candidate := range status.Candidates {
		if candidate.Template == template {
			return candidate.Reasons
		}
	}
	return nil
}

func TestSelectRefuses(t *testing.T) {
	cases := map[string]struct {
		given  []change
		pinned bool
		want   []string
	}{
		"a cluster without templates": {
			given: []change{func(s *scene) { s.candidates = nil }},
			want:  []string{"the cluster has no template"},
		},
		"an environment that allows no template that would do": {
			given: []change{allow(v1alpha1.AllowedTemplate{Name: "job"})},
			want:  []string{"no template can serve the record", "deployment is not among the allowedTemplates", "job is used only where a record pins it and does not serve calls"},
		},
		"requirements that nothing meets": {
			given: []change{latency(1), func(s *scene) {
				for i := range s.candidates {
					s.candidates[i].Spec = s.candidates[i].Spec.DeepCopy()
					s.candidates[i].Spec.Capabilities.MinLatencyMs = new(int64(5))
				}
			}},
			want: []string{"deployment cannot keep 1 ms: its least latency is 5 ms", "statefulset cannot keep 1 ms"},
		},
		"a pin on nothing": {
			given: []change{pin("deploymnt")}, pinned: true,
			want: []string{`selectedTemplate "deploymnt" does not exist; there are: daemonset, deployment, job, knative, statefulset`},
		},
		"a pin on what the cluster does not serve": {
			given: []change{pin("knative")}, pinned: true,
			want: []string{`selectedTemplate "knative" needs kinds that the cluster does not serve: Service.serving.knative.dev`, "leave selectedTemplate empty"},
		},
		"a pin on what the environment does not allow": {
			given: []change{pin("statefulset"), allow(v1alpha1.AllowedTemplate{Name: "deployment"})}, pinned: true,
			want: []string{`not among the allowedTemplates of environment "prod"`},
		},
		"a pin on what cannot keep the latency, nor be here at all": {
			given: []change{pin("knative"), latency(50), mayRest, knativeServed, allow(v1alpha1.AllowedTemplate{Name: "deployment"})}, pinned: true,
			want: []string{"not among the allowedTemplates", "cannot keep 50 ms: it scales to zero"},
		},
		"a pin on what has no place for persistent state": {
			given: []change{pin("job"), persistentState, gridConfigured}, pinned: true,
			want: []string{"cannot keep persistent state"},
		},
		"a pin on what its own condition excludes": {
			given: []change{pin("deployment"), template("deployment", func(c *Candidate) { c.Matches = false })}, pinned: true,
			want: []string{"selectionCriteria.when is false"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			request := onPlainCluster(t, tc.given...).request(t)
			result, err := Select(request)
			var none *NoTemplateError
			var impossible *PinnedError
			if errors.As(err, &impossible) != tc.pinned || errors.As(err, &none) == tc.pinned {
				t.Fatalf("error %T %v", err, err)
			}
			if result.Template != "" {
				t.Errorf("template %q beside an error", result.Template)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			for _, candidate := range result.Status.Candidates {
				if candidate.Eligible || len(candidate.Reasons) == 0 {
					t.Errorf("no reason against %+v", candidate)
				}
			}
			if tc.pinned && len(result.Status.Candidates) != 1 {
				t.Errorf("a pin looks at other templates: %+v", result.Status.Candidates)
			}
		})
	}
}

func TestStatusIsInOrder(t *testing.T) {
	result, err := Select(onPlainCluster(t, knativeServed, mayRest, template("aaa", func(c *Candidate) { c.Matches = false })).request(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, candidate := range result.Status.Candidates {
		names = append(names, candidate.Template)
		if !candidate.Eligible && candidate.Score != 0 {
			t.Errorf("a score for %+v", candidate)
		}
	}
	if diff := cmp.Diff([]string{"knative", "deployment", "statefulset", "aaa", "daemonset", "job"}, names); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

// The result depends on what there is and not on the order in which it is listed,
// and its score is the sum of the points that it tells.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := onPlainCluster(t)
		optional := map[string]change{
			"knative": knativeServed, "grid": gridConfigured, "rest": mayRest, "fixed": fixedSize, "transient": transientState,
			"persistent": persistentState, "available": availability("0.99"),
		}
		for _, name := range []string{"knative", "grid", "rest", "fixed", "transient", "persistent", "available"} {
			if rapid.Bool().Draw(rt, name) {
				optional[name](s)
			}
		}
		if rapid.Bool().Draw(rt, "bounded") {
			latency(rapid.Int64Range(1, 2*ColdStartMs).Draw(rt, "latency"))(s)
		}
		for _, name := range []string{"a", "b", "c", "z"} {
			s.template(name, func(c *Candidate) {
				c.Matches = rapid.Bool().Draw(rt, "matches")
				c.Spec.ODGM.Mode = rapid.SampledFrom([]v1alpha1.ODGMMode{"", v1alpha1.ODGMNone, v1alpha1.ODGMSidecar, v1alpha1.ODGMCluster}).Draw(rt, "mode")
				c.Spec.Capabilities.Autoscaling = rapid.Bool().Draw(rt, "autoscaling")
				c.Spec.Capabilities.ScaleToZero = rapid.Bool().Draw(rt, "scale to zero")
				c.Spec.Capabilities.PersistentStorage = rapid.Bool().Draw(rt, "storage")
				c.Spec.SelectionCriteria.Priority = rapid.Int32Range(-1, 1).Draw(rt, "priority")
			})
		}
		request := s.request(t)
		first, firstErr := Select(request)
		request.Candidates = rapid.Permutation(request.Candidates).Draw(rt, "order")
		second, secondErr := Select(request)
		if diff := cmp.Diff(first, second); diff != "" || (firstErr == nil) != (secondErr == nil) {
			rt.Fatalf("the order matters: %v, %v\n%s", firstErr, secondErr, diff)
		}
		for _, candidate := range first.Status.Candidates {
			if candidate.Eligible && candidate.Score != told(rt, candidate) {
				rt.Fatalf("score %d of %q", candidate.Score, candidate.Reasons)
			}
		}
		if firstErr == nil && slices.ContainsFunc(first.Status.Candidates, func(c v1alpha1.TemplateCandidate) bool {
			return c.Eligible && c.Score > first.Status.Candidates[0].Score
		}) {
			rt.Fatalf("the winner is not the best: %+v", first.Status.Candidates)
		}
	})
}

// told is the sum of the points in a candidate's reasons.
func told(t *rapid.T, candidate v1alpha1.TemplateCandidate) int32 {
	var sum int32
	for _, reason := range candidate.Reasons {
		if reason[0] != '+' && reason[0] != '-' {
			continue
		}
		value, err := strconv.ParseInt(strings.Fields(reason)[0], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		sum += int32(value)
	}
	return sum
}
