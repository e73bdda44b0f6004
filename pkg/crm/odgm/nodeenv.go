// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// maxVariable is what Linux allows for one variable with its name, 128 KiB, less
	// some room for the name. A program with a greater one does not start.
	maxVariable = 128<<10 - 256
	// maxSessions and the log filter are the defaults of the data grid's design.
	maxSessions  = 4
	defaultLog   = "info,openraft=info,zenoh=info,h2=warn"
	defaultZenoh = "peer"
)

// Ports of a node where nothing else is in its pod.
const (
	servicePort = 8080
	zenohPort   = 7447
	// sidecarPort is the port beside a function, whose own is 8080 as a rule.
	sidecarPort = 8079
)

// ports are where a node listens.
type ports struct{ grpc, zenoh int32 }

// portsOf gives a node ports that no function in its pod has. All nodes of a grid
// have the same.
func portsOf(in Input) ports {
	if in.Mode != v1alpha1.ODGMSidecar {
		return ports{grpc: servicePort, zenoh: zenohPort}
	}
	taken := map[int32]bool{}
	for _, f := range in.Functions {
		taken[f.Port] = true
	}
	free := func(port int32) int32 {
		for taken[port] {
			port--
		}
		taken[port] = true
		return port
	}
	return ports{grpc: free(sidecarPort), zenoh: free(zenohPort)}
}

// nodeEnv is the environment of every node. The pods of a StatefulSet share it, so
// what differs comes from the pod: its ordinal is its node's id.
func (g *Grid) nodeEnv() []corev1.EnvVar {
	config := ptr.Deref(g.in.Record.Spec.ODGMConfig, v1alpha1.ODGMConfig{})
	return []corev1.EnvVar{
		field("POD_IP", "status.podIP"),
		field("ODGM_NODE_ID", fmt.Sprintf("metadata.labels['%s']", appsv1.PodIndexLabel)),
		{Name: "ODGM_NODE_ADDR", Value: fmt.Sprintf("http://$(POD_IP):%d", g.ports.grpc)},
		literal("ODGM_HTTP_PORT", strconv.Itoa(int(g.ports.grpc))),
		literal("ODGM_CLUSTER_ID", g.ClusterID),
		literal("ODGM_MEMBERS", g.members),
		literal("ODGM_COLLECTION", g.collections),
		literal("ODGM_MAX_SESSIONS", strconv.Itoa(maxSessions)),
		literal("ODGM_REFLECTION_ENABLED", "false"),
		literal("ODGM_EVENTS_ENABLED", strconv.FormatBool(len(g.events.triggers) > 0)),
		literal("ODGM_MAX_TRIGGER_DEPTH", strconv.FormatInt(g.events.depth, 10)),
		literal("ODGM_TRIGGER_TIMEOUT_MS", strconv.FormatInt(g.events.timeoutMs, 10)),
		literal("OPRC_ZENOH_PORT", strconv.Itoa(int(g.ports.zenoh))),
		literal("OPRC_ZENOH_MODE", cmp.Or(config.ZenohMode, defaultZenoh)),
		literal("OPRC_ZENOH_PEERS", fmt.Sprintf("tcp/%s.%s.svc:%d", g.headlessName(), g.in.Record.Namespace, g.ports.zenoh)),
		literal("RUST_LOG", cmp.Or(config.Log, defaultLog)),
	}
}

// membersList is the value of ODGM_MEMBERS.
func (g *Grid) membersList() string {
	members := make([]string, 0, len(g.Members))
	for _, id := range g.Members {
		members = append(members, strconv.FormatUint(id, 10))
	}
	return strings.Join(members, ",")
}

// functionEnv is what a function has to know to be a client of the grid.
func (g *Grid) functionEnv(key string) []corev1.EnvVar {
	integration := g.integration(key)
	// Strings alone, which can always be encoded.
	collections, _ := json.Marshal(integration.Collections) //nolint:errchkjson // see above
	endpoint := g.Endpoint
	if g.Mode == v1alpha1.ODGMSidecar {
		endpoint = fmt.Sprintf("http://localhost:%d", g.ports.grpc)
	}
	return []corev1.EnvVar{
		literal("ODGM_ENDPOINT", endpoint),
		literal("ODGM_CLUSTER_ID", g.ClusterID),
		literal("ODGM_NODE_ROLE", "client"),
		literal("ODGM_COLLECTIONS", string(collections)),
		literal("ODGM_ACCESS_MODE", integration.AccessMode),
		literal("ODGM_CACHING_STRATEGY", integration.CachingStrategy),
	}
}

// integration is how a function uses the grid, with every default filled in.
func (g *Grid) integration(key string) v1alpha1.ODGMIntegration {
	var integration v1alpha1.ODGMIntegration
	for i := range g.in.Record.Spec.FunctionContainers {
		container := &g.in.Record.Spec.FunctionContainers[i]
		if container.FunctionKey == key && container.ODGMIntegration != nil {
			integration = *container.ODGMIntegration
		}
	}
	if len(integration.Collections) == 0 {
		for _, c := range g.Collections {
			integration.Collections = append(integration.Collections, c.Name)
		}
	}
	if integration.AccessMode == "" {
		integration.AccessMode = "ReadWrite"
		if g.onlyStateless(key) {
			integration.AccessMode = "ReadOnly"
		}
	}
	integration.CachingStrategy = cmp.Or(integration.CachingStrategy, "None")
	return integration
}

// onlyStateless tells whether a function has bindings and all of them leave the
// state alone.
func (g *Grid) onlyStateless(key string) bool {
	own := func(b v1alpha1.MethodBinding) bool { return b.FunctionKey == key }
	return slices.ContainsFunc(g.in.Record.Spec.Bindings, own) &&
		!slices.ContainsFunc(g.in.Record.Spec.Bindings, func(b v1alpha1.MethodBinding) bool { return own(b) && !b.Stateless })
}

// literal is a variable whose value the kubelet leaves as it is: it would take $(X)
// for another variable, and $$ is how it writes one $.
func literal(name, value string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, Value: strings.ReplaceAll(value, "$", "$$")}
}

// field is a variable that the kubelet fills in from the pod.
func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
	}}
}
