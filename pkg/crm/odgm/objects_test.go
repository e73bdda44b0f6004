// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

func sidecarMode(in *odgm.Input) { in.Mode = v1alpha1.ODGMSidecar }

func persistent(in *odgm.Input) {
	in.Record.Spec.State.Persistent = true
	in.Environment.ODGM.Storage = &v1alpha1.ODGMStorage{ClassName: "fast", Size: new(resource.MustParse("5Gi"))}
}

func TestEnvironmentOfANode(t *testing.T) {
	in := input(func(in *odgm.Input) {
		in.Record.Spec.NFRRequirements.MinThroughputRPS = ptr.To[int64](1)
		in.Record.Spec.NFRRequirements.MaxLatencyMs = ptr.To[int64](99)
		in.Record.Spec.Bindings = []v1alpha1.MethodBinding{
			{Name: "add", FunctionKey: "add", Stateless: true, TriggerOnStateChange: true},
			{Name: "sum", FunctionKey: "elsewhere"},
		}
		in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{Options: map[string]string{"path": "$(POD_IP)/$x"}}
	})
	got := nodes(t, mustPlan(t, in), in)[2]
	want := map[string]string{
		"POD_IP":                  "10.0.0.7",
		"ODGM_NODE_ID":            "2",
		"ODGM_NODE_ADDR":          "http://10.0.0.7:8080",
		"ODGM_HTTP_PORT":          "8080",
		"ODGM_CLUSTER_ID":         "shop-cart-dev-dev",
		"ODGM_MEMBERS":            "1,2",
		"ODGM_MAX_SESSIONS":       "4",
		"ODGM_REFLECTION_ENABLED": "false",
		"ODGM_EVENTS_ENABLED":     "true",
		"ODGM_MAX_TRIGGER_DEPTH":  "5",
		"ODGM_TRIGGER_TIMEOUT_MS": "1000",
		"OPRC_ZENOH_PORT":         "7447",
		"OPRC_ZENOH_MODE":         "peer",
		"OPRC_ZENOH_PEERS":        "tcp/shop-cart-dev-odgm-nodes.team-a.svc:7447",
		"RUST_LOG":                "info,openraft=info,zenoh=info,h2=warn",
		"ODGM_COLLECTION": `[{"name":"Cart_data","partition_count":1,"replica_count":2,` +
			`"shard_assignments":[{"primary":1,"replica":[1,2],"shard_ids":[3549708865765377,3549708865765378]}],` +
			`"shard_type":"raft","options":{"path":"$(POD_IP)/$x"},` +
			`"invocations":{"fn_routes":{"add":{"url":"http://cart-add.team-a.svc:80","stateless":true,"standby":false,"active_group":[]}},` +
			`"disabled_fn":["sum"]}}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTriggers(t *testing.T) {
	cases := map[string]struct {
		latency        *int64
		depth, timeout string
	}{
		"without a bound":                     {nil, "10", "5000"},
		"below 100 ms triggers nest less":     {ptr.To[int64](99), "5", "1000"},
		"from 100 ms on they do not":          {ptr.To[int64](100), "10", "1000"},
		"a long bound leaves half for a call": {ptr.To[int64](9_000), "10", "4500"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(func(in *odgm.Input) { in.Record.Spec.NFRRequirements.MaxLatencyMs = c.latency })
			got := nodes(t, mustPlan(t, in), in)[1]
			if got["ODGM_MAX_TRIGGER_DEPTH"] != c.depth || got["ODGM_TRIGGER_TIMEOUT_MS"] != c.timeout || got["ODGM_EVENTS_ENABLED"] != "false" {
				t.Errorf("depth %s, timeout %s, events %s", got["ODGM_MAX_TRIGGER_DEPTH"], got["ODGM_TRIGGER_TIMEOUT_MS"], got["ODGM_EVENTS_ENABLED"])
			}
		})
	}
}

func TestWhatSetsOffAMethod(t *testing.T) {
	type trigger struct {
		Binding, FunctionKey, TriggerType string
		Collections                       []string
		Async                             bool
	}
	asked := func(triggers ...v1alpha1.EventTrigger) func(*odgm.Input) {
		return func(in *odgm.Input) {
			in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{Collections: []string{"a", "b", "c"}}
			in.Record.Spec.Bindings = []v1alpha1.MethodBinding{
				{Name: "add", FunctionKey: "add", TriggerOnStateChange: true}, {Name: "sum", FunctionKey: "add"},
			}
			in.Record.Spec.FunctionContainers[0].ODGMIntegration = &v1alpha1.ODGMIntegration{Collections: []string{"a", "b"}, EventTriggers: triggers}
		}
	}
	add := trigger{Binding: "add", FunctionKey: "add", TriggerType: "StateChange", Collections: []string{"a", "b"}}
	cases := map[string]struct {
		change func(*odgm.Input)
		want   []trigger
	}{
		"nothing, without a word":                    {func(in *odgm.Input) { in.Record.Spec.Bindings[0].TriggerOnStateChange = false }, []trigger{}},
		"what its binding says, in all that is used": {asked(), []trigger{add}},
		"what the function says beside": {asked(v1alpha1.EventTrigger{Binding: "sum", Collections: []string{"b"}, AsyncExecution: true}), []trigger{
			add, {Binding: "sum", FunctionKey: "add", TriggerType: "StateChange", Collections: []string{"b"}, Async: true},
		}},
		"what the function says wins over the binding": {asked(v1alpha1.EventTrigger{Binding: "add", Collections: []string{"a"}}), []trigger{
			{Binding: "add", FunctionKey: "add", TriggerType: "StateChange", Collections: []string{"a"}},
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(c.change)
			grid := mustPlan(t, in)
			var settings struct {
				Events struct {
					Enabled  bool
					Triggers []trigger
				}
			}
			for _, object := range grid.Objects() {
				if m, ok := object.(*corev1.ConfigMap); ok {
					if err := json.Unmarshal([]byte(m.Data["odgm.json"]), &settings); err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff(c.want, settings.Events.Triggers); diff != "" {
				t.Error(diff)
			}
			enabled := strconv.FormatBool(len(c.want) > 0)
			if got := nodes(t, grid, in)[1]["ODGM_EVENTS_ENABLED"]; got != enabled || strconv.FormatBool(settings.Events.Enabled) != enabled {
				t.Errorf("nodes are told %s, the settings say %t, want %s", got, settings.Events.Enabled, enabled)
			}
		})
	}
}

func TestEnvironmentOfAFunction(t *testing.T) {
	plain := map[string]string{
		"ODGM_ENDPOINT":         "http://shop-cart-dev-odgm.team-a.svc:8080",
		"ODGM_CLUSTER_ID":       "shop-cart-dev-dev",
		"ODGM_NODE_ROLE":        "client",
		"ODGM_COLLECTIONS":      `["Cart_data"]`,
		"ODGM_ACCESS_MODE":      "ReadWrite",
		"ODGM_CACHING_STRATEGY": "None",
	}
	cases := map[string]struct {
		change func(*odgm.Input)
		differ map[string]string
	}{
		"reads and writes all collections": {func(*odgm.Input) {}, nil},
		"a function of stateless bindings alone reads": {
			func(in *odgm.Input) { in.Record.Spec.Bindings[0].Stateless = true },
			map[string]string{"ODGM_ACCESS_MODE": "ReadOnly"},
		},
		"its own settings win": {func(in *odgm.Input) {
			in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{Collections: []string{"a", "b"}}
			in.Record.Spec.FunctionContainers[0].ODGMIntegration = &v1alpha1.ODGMIntegration{
				Collections: []string{"b"}, AccessMode: "WriteOnly", CachingStrategy: "WriteBehind",
			}
		}, map[string]string{"ODGM_COLLECTIONS": `["b"]`, "ODGM_ACCESS_MODE": "WriteOnly", "ODGM_CACHING_STRATEGY": "WriteBehind"}},
		"beside a node it asks that one": {sidecarMode, map[string]string{"ODGM_ENDPOINT": "http://localhost:8079"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want := maps.Clone(plain)
			maps.Copy(want, c.differ)
			got := map[string]string{}
			for _, variable := range mustPlan(t, input(c.change)).FunctionEnv("add") {
				got[variable.Name] = variable.Value
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSidecar(t *testing.T) {
	in := input(sidecarMode, persistent, func(in *odgm.Input) {
		in.RequireSpread = true
		in.Functions[0].Replicas = 3
		in.Functions = append(in.Functions, odgm.Function{Key: "sum", Name: "cart-sum", Port: 8079, Replicas: 1})
	})
	grid := mustPlan(t, in)
	if grid.Nodes != 4 || len(grid.Members) != 4 || grid.FunctionsWait() {
		t.Errorf("%d nodes, members %v, functions wait: %t", grid.Nodes, grid.Members, grid.FunctionsWait())
	}
	sidecar, ok := grid.Sidecar("add")
	if !ok {
		t.Fatal("the function has no node beside it")
	}
	container := sidecar.Container
	if ptr.Deref(container.RestartPolicy, "") != corev1.ContainerRestartPolicyAlways || container.StartupProbe == nil {
		t.Error("the function would not wait for its node, or the pod not start with it")
	}
	if budget := container.StartupProbe.PeriodSeconds * container.StartupProbe.FailureThreshold; budget != 120 {
		t.Errorf("a node has %d s to start, want 120", budget)
	}
	if affinity := sidecar.Affinity.PodAntiAffinity; len(affinity.RequiredDuringSchedulingIgnoredDuringExecution) != 0 || len(affinity.PreferredDuringSchedulingIgnoredDuringExecution) != 1 {
		t.Errorf("nodes beside functions: %+v, want them apart where there is room", affinity)
	}
	ports := map[int32]bool{8080: true, 8079: true}
	for _, port := range container.Ports {
		if ports[port.ContainerPort] {
			t.Errorf("port %d is taken by a function", port.ContainerPort)
		}
	}
	if len(sidecar.Claims) != 1 || *sidecar.Claims[0].Spec.StorageClassName != "fast" || sidecar.Claims[0].Spec.Resources.Requests.Storage().String() != "5Gi" {
		t.Errorf("claims %v", sidecar.Claims)
	}
	for name := range grid.PodSelector() {
		if _, ok := sidecar.PodLabels[name]; !ok && name != v1alpha1.LabelDeploymentID {
			t.Errorf("the Service would not find the pods: they lack the label %s", name)
		}
	}
	if hasObject[*appsv1.StatefulSet](grid) || hasObject[*policyv1.PodDisruptionBudget](grid) {
		t.Error("the grid runs a second time, in pods of its own")
	}
	if _, ok := grid.Sidecar("unknown"); ok {
		t.Error("a function that is not there has a node")
	}
}

// TestSidecarsOfManyFunctions holds that the places of all partitions, which every node
// is told, are written once: the most functions that a record has took seconds.
func TestSidecarsOfManyFunctions(t *testing.T) {
	in := input(sidecarMode)
	in.Functions = nil
	for i := range 512 {
		key := fmt.Sprintf("f%d", i)
		in.Functions = append(in.Functions, odgm.Function{Key: key, Name: key, URL: "http://" + key + ".shop.svc:80", Port: 8080, Replicas: 1})
		for j := range 2 {
			in.Record.Spec.Bindings = append(in.Record.Spec.Bindings, v1alpha1.MethodBinding{Name: fmt.Sprintf("b%d-%d", i, j), FunctionKey: key})
		}
	}
	grid := mustPlan(t, in)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, function := range in.Functions {
		if _, ok := grid.Sidecar(function.Key); !ok {
			t.Fatal("no sidecar for", function.Key)
		}
	}
	runtime.ReadMemStats(&after)
	const most = 32 << 20
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("the sidecars took %d MiB, want at most %d", took>>20, most>>20)
	}
}

func TestStoppedFunctions(t *testing.T) {
	in := input(sidecarMode, func(in *odgm.Input) { in.Functions[0].Replicas = 0 })
	grid := mustPlan(t, in)
	sidecar, _ := grid.Sidecar("add")
	if got := started(sidecar.Container, int(sidecar.OrdinalStart)); grid.Nodes != 0 || got["ODGM_MEMBERS"] == "" {
		t.Errorf("%d nodes, members %q", grid.Nodes, got["ODGM_MEMBERS"])
	}
}

func TestCluster(t *testing.T) {
	in := input(persistent, func(in *odgm.Input) {
		in.RequireSpread = true
		in.ManagerNamespace = "oaas-system"
		in.Environment.NetworkPolicy = v1alpha1.NetworkPolicySettings{
			Enabled:           true,
			AllowedNamespaces: []metav1.LabelSelector{{MatchLabels: map[string]string{"gateway": "yes"}}},
		}
		in.Environment.Scheduling = v1alpha1.Scheduling{
			NodeSelector: map[string]string{"disk": "fast"}, ImagePullSecrets: []string{"registry"},
			PriorityClassName: "high", RuntimeClassName: "gvisor",
		}
		in.Environment.ODGM.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
	})
	grid := mustPlan(t, in)
	if !grid.FunctionsWait() {
		t.Error("functions do not wait for the grid")
	}
	set := objectOf[*appsv1.StatefulSet](t, grid)
	pod := set.Spec.Template.Spec
	if *set.Spec.Replicas != 2 || set.Spec.Ordinals.Start != 1 || len(set.Spec.VolumeClaimTemplates) != 1 {
		t.Errorf("%d nodes from %d with %d claims", *set.Spec.Replicas, set.Spec.Ordinals.Start, len(set.Spec.VolumeClaimTemplates))
	}
	if set.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType {
		t.Error("data goes with the workload that another template replaces")
	}
	if affinity := pod.Affinity.PodAntiAffinity; len(affinity.RequiredDuringSchedulingIgnoredDuringExecution) != 1 {
		t.Errorf("nodes may share a machine: %v", affinity)
	}
	if pod.NodeSelector["disk"] != "fast" || pod.ImagePullSecrets[0].Name != "registry" || pod.PriorityClassName != "high" || *pod.RuntimeClassName != "gvisor" {
		t.Errorf("the environment's scheduling is missing: %+v", pod)
	}
	limits := pod.Containers[0].Resources.Limits
	if limits.Cpu().String() != "3" || limits.Memory().String() != "1Gi" {
		t.Errorf("limits %v", limits)
	}
	headless, service := services(t, grid)
	if headless.Spec.ClusterIP != corev1.ClusterIPNone || !headless.Spec.PublishNotReadyAddresses || set.Spec.ServiceName != headless.Name {
		t.Errorf("nodes do not find each other: %+v", headless.Spec)
	}
	if service.Spec.PublishNotReadyAddresses || !strings.HasPrefix(grid.Endpoint, "http://"+service.Name+".team-a.svc") {
		t.Errorf("clients do not find the grid at %s", grid.Endpoint)
	}
	if budget := objectOf[*policyv1.PodDisruptionBudget](t, grid); budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("a drain may take %v nodes", budget.Spec.MaxUnavailable)
	}
	policy := objectOf[*networkingv1.NetworkPolicy](t, grid)
	if len(policy.Spec.Ingress[0].From) != 3 || len(policy.Spec.Ingress[1].From) != 1 {
		t.Errorf("who may call: %+v", policy.Spec.Ingress)
	}
	for _, labels := range []map[string]string{headless.Spec.Selector, service.Spec.Selector, set.Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels} {
		for key, value := range labels {
			if set.Spec.Template.Labels[key] != value {
				t.Errorf("the pods lack the label %s=%s", key, value)
			}
		}
	}
	if _, ok := grid.Sidecar("add"); ok {
		t.Error("the grid runs a second time, beside the functions")
	}
	if settings := objectOf[*corev1.ConfigMap](t, grid); settings.Name != pod.Volumes[0].ConfigMap.Name || !strings.Contains(settings.Data["odgm.json"], `"persistenceMode": "Persistent"`) {
		t.Errorf("settings %s: %s", settings.Name, settings.Data)
	}
}

// TestDrains: a drain waits for a broken node only where that would take data along.
func TestDrains(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*odgm.Input)
		want   policyv1.UnhealthyPodEvictionPolicyType
	}{
		"data in the pods": {nil, policyv1.IfHealthyBudget},
		"data in volumes":  {[]func(*odgm.Input){persistent}, policyv1.AlwaysAllow},
	} {
		budget := objectOf[*policyv1.PodDisruptionBudget](t, mustPlan(t, input(c.change...)))
		if got := *budget.Spec.UnhealthyPodEvictionPolicy; got != c.want {
			t.Errorf("%s: broken nodes: %s, want %s", name, got, c.want)
		}
	}
}

func TestSmallCluster(t *testing.T) {
	grid := mustPlan(t, input(func(in *odgm.Input) {
		in.Record.Spec.State.Persistent = true
		in.Record.Spec.ODGMConfig = &v1alpha1.ODGMConfig{ReplicaCount: 1}
	}))
	set := objectOf[*appsv1.StatefulSet](t, grid)
	if len(set.Spec.VolumeClaimTemplates) != 0 {
		t.Error("an environment without storage got claims")
	}
	if len(set.Spec.Template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) != 0 {
		t.Error("a single machine could not run the grid")
	}
	if hasObject[*policyv1.PodDisruptionBudget](grid) || hasObject[*networkingv1.NetworkPolicy](grid) {
		t.Error("a budget for one node blocks every drain; nobody asked for a policy")
	}
}

// services are the headless Service of a grid and the one for clients.
func services(t *testing.T, grid *odgm.Grid) (headless, clients *corev1.Service) {
	t.Helper()
	for _, object := range grid.Objects() {
		if service, ok := object.(*corev1.Service); ok {
			if service.Name == grid.Name {
				clients = service
			} else {
				headless = service
			}
		}
	}
	if headless == nil || clients == nil {
		t.Fatal("a Service is missing")
	}
	return headless, clients
}
