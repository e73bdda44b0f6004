// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/names"
)

// Grid is a planned data grid.
type Grid struct {
	// Mode in which it runs: Sidecar or Cluster.
	Mode v1alpha1.ODGMMode
	// Image of a node.
	Image string
	// ClusterID identifies the grid.
	ClusterID string
	// Name of the Service that reaches the grid, and in mode Cluster of its
	// StatefulSet.
	Name string
	// Endpoint reaches the grid inside the cluster.
	Endpoint string
	// Port of gRPC in the pods of the nodes.
	Port int32
	// Nodes that run now.
	Nodes int32
	// Target is the number of nodes that is wanted. It differs from Nodes while the
	// size changes step by step.
	Target int32
	// Members are the ids of the nodes, ascending.
	Members []uint64
	// Collections of the class with the place of every copy.
	Collections []Collection

	in     Input
	ports  ports
	events events
	ranges map[string]int32
	// members and collections are what every node is told of them, which can be long.
	members, collections string
}

// Collection is a named set of objects.
type Collection struct {
	// Name of the collection.
	Name string
	// ShardType is how copies are kept.
	ShardType v1alpha1.ShardType
	// Replicas is the number of copies of each partition.
	Replicas int32
	// Options are passed to the nodes as they stand.
	Options map[string]string
	// Partitions tell where each partition is, in order.
	Partitions []Assignment
}

// Assignment is the place of one partition.
type Assignment struct {
	// Primary is the node that leads.
	Primary uint64
	// Replicas are the nodes that hold a copy, Primary among them.
	Replicas []uint64
	// Shards are the ids of the copies, in the order of Replicas, unique in the grid.
	Shards []uint64
}

// Sidecar is the part of a function's pods that runs a node in mode Sidecar.
type Sidecar struct {
	// Container goes into the pod's init containers, as the first: with restartPolicy
	// Always it keeps running, and those after it start once it answers.
	Container corev1.Container
	// Volumes of the pod; they belong to the user of pods.WithVolumes.
	Volumes []corev1.Volume
	// Claims are volume claim templates of the StatefulSet; empty where data is not
	// kept.
	Claims []corev1.PersistentVolumeClaim
	// OrdinalStart is what the StatefulSet has to set as spec.ordinals.start: the
	// ordinal of a pod is the id of its node.
	OrdinalStart int32
	// Affinity keeps the pod away from other nodes of the grid, also those beside other
	// functions.
	Affinity corev1.Affinity
	// PodLabels are further labels of the pods, which the grid's Services select.
	PodLabels map[string]string
}

// FunctionsWait tells that functions must not be made before the grid is ready for
// the first time. Beside a sidecar they wait by themselves.
func (g *Grid) FunctionsWait() bool { return g.Mode == v1alpha1.ODGMCluster }

// FunctionEnv is what the container of a function has to know about the grid.
func (g *Grid) FunctionEnv(functionKey string) []corev1.EnvVar { return g.functionEnv(functionKey) }

// Sidecar is the node that runs in the pods of a function; false in mode Cluster.
func (g *Grid) Sidecar(functionKey string) (*Sidecar, bool) { return g.sidecar(functionKey) }

// Objects are the objects of the grid, in the order in which to apply them. They
// have names, namespace and labels, and lack owner and hash.
func (g *Grid) Objects() []runtime.Object { return g.objects() }

// ConfigMapName is the name of the ConfigMap with the grid's settings.
func (g *Grid) ConfigMapName() string { return names.Grid(g.in.Record.Name, suffixConfig) }

// PodSelector picks the pods that run the nodes.
func (g *Grid) PodSelector() map[string]string { return g.selector() }

// Status is the grid as it is wanted, without anything that only nodes can tell.
func (g *Grid) Status() v1alpha1.ODGMClusterStatus {
	status := v1alpha1.ODGMClusterStatus{
		ClusterID: g.ClusterID,
		Mode:      g.Mode,
		Endpoint:  g.Endpoint,
		Nodes:     g.Nodes,
	}
	if g.Target != g.Nodes {
		status.TargetNodes = new(g.Target)
	}
	for _, c := range g.Collections {
		status.Collections = append(status.Collections, v1alpha1.ODGMCollectionStatus{
			Name:           c.Name,
			PartitionCount: int32(len(c.Partitions)), //nolint:gosec // bounded by the API
			ReplicaCount:   c.Replicas,
			ShardType:      c.ShardType,
		})
	}
	return status
}
