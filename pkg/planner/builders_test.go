// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

type deploymentOption func(*pmv1alpha1.ClassDeployment)

func deployment(options ...deploymentOption) *pmv1alpha1.ClassDeployment {
	d := &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"},
		Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"},
	}
	for _, option := range options {
		option(d)
	}
	return d
}

func inEnvironments(names ...string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) { d.Spec.TargetEnvironments = names }
}

func onClusters(names ...string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) { d.Spec.TargetClusters = names }
}

func selecting(labels map[string]string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) {
		d.Spec.ClusterSelector = &metav1.LabelSelector{MatchLabels: labels}
	}
}

func throughput(rps int64) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.MinThroughputRPS = &rps }
}

func availability(value string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) { d.Spec.NFR.Availability = value }
}

func replicas(least, greatest int32) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) {
		d.Spec.Replicas = &pmv1alpha1.ReplicaBounds{}
		if least >= 0 {
			d.Spec.Replicas.Min = new(least)
		}
		if greatest >= 0 {
			d.Spec.Replicas.Max = new(greatest)
		}
	}
}

func refusing(d *pmv1alpha1.ClassDeployment) {
	d.Spec.Placement = &pmv1alpha1.Placement{OnUnreachable: pmv1alpha1.UnreachableRefuse}
}

func running(environment, cluster string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) {
		d.Status.Units = append(d.Status.Units, pmv1alpha1.DeploymentUnitStatus{
			Cluster: cluster, Environment: environment, Planned: true,
			DeploymentID: planner.UnitID(d.Namespace, d.Name, environment),
		})
	}
}

func leaving(environment, cluster string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) {
		running(environment, cluster)(d)
		d.Status.Units[len(d.Status.Units)-1].Planned = false
	}
}

type clusterOption func(*pmv1alpha1.Cluster)

func cluster(name string, options ...clusterOption) *pmv1alpha1.Cluster {
	c := &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
		Status:     pmv1alpha1.ClusterStatus{Health: pmv1alpha1.ClusterHealthy},
	}
	for _, option := range options {
		option(c)
	}
	return c
}

func hosting(environments ...string) clusterOption {
	return func(c *pmv1alpha1.Cluster) { c.Spec.Environments = environments }
}

func health(health pmv1alpha1.ClusterHealth) clusterOption {
	return func(c *pmv1alpha1.Cluster) { c.Status.Health = health }
}

func up(availability string) clusterOption {
	return func(c *pmv1alpha1.Cluster) { c.Status.Availability = availability }
}

func cpu(allocated, capacity string) clusterOption {
	return func(c *pmv1alpha1.Cluster) {
		c.Status.Allocated = map[string]resource.Quantity{"cpu": resource.MustParse(allocated)}
		c.Status.Capacity = map[string]resource.Quantity{"cpu": resource.MustParse(capacity)}
	}
}

func isDefault(c *pmv1alpha1.Cluster)     { c.Spec.Default = true }
func unschedulable(c *pmv1alpha1.Cluster) { c.Spec.Unschedulable = true }

func breakerOpen(c *pmv1alpha1.Cluster) {
	c.Status.CircuitBreaker = &pmv1alpha1.CircuitBreakerStatus{State: pmv1alpha1.CircuitOpen, Failures: 5}
}

func beingDeleted(c *pmv1alpha1.Cluster) { c.DeletionTimestamp = &metav1.Time{} }

type packageOption func(*pmv1alpha1.Package)

// store has a class Cart with two methods on one Custom function, one on a
// second, and functions of every other type.
func store(options ...packageOption) *pmv1alpha1.Package {
	p := &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "store"},
		Spec: pmv1alpha1.PackageSpec{
			Version: "1.0",
			Classes: []pmv1alpha1.ClassDefinition{{
				Key: "Cart",
				FunctionBindings: []pmv1alpha1.FunctionBinding{
					{Name: "total", FunctionKey: "pricing"},
					{Name: "add", FunctionKey: "items"},
					{Name: "remove", FunctionKey: "items"},
					{Name: "hash", FunctionKey: "wasm"},
					{Name: "get", FunctionKey: "builtin"},
					{Name: "checkout", FunctionKey: "macro"},
					{Name: "pay", FunctionKey: "logical"},
				},
			}},
			Functions: []pmv1alpha1.FunctionDefinition{
				{Key: "items", Type: pmv1alpha1.FunctionCustom, Provision: &pmv1alpha1.FunctionProvision{Image: "r/items:1", Port: 9000}, Config: map[string]string{"B": "2", "A": "1"}},
				{Key: "pricing", Type: pmv1alpha1.FunctionCustom, Provision: &pmv1alpha1.FunctionProvision{Image: "r/pricing:1"}},
				{Key: "unbound", Type: pmv1alpha1.FunctionCustom, Provision: &pmv1alpha1.FunctionProvision{Image: "r/unbound:1"}},
				{Key: "wasm", Type: pmv1alpha1.FunctionWasm, Provision: &pmv1alpha1.FunctionProvision{WasmModuleURL: "http://x/y.wasm"}},
				{Key: "builtin", Type: pmv1alpha1.FunctionBuiltin},
				{Key: "macro", Type: pmv1alpha1.FunctionMacro},
				{Key: "logical", Type: pmv1alpha1.FunctionLogical},
			},
		},
	}
	for _, option := range options {
		option(p)
	}
	return p
}

func scaled(least, greatest int32) packageOption {
	return func(p *pmv1alpha1.Package) {
		if least >= 0 {
			p.Spec.Functions[0].Provision.MinScale = new(least)
		}
		if greatest >= 0 {
			p.Spec.Functions[0].Provision.MaxScale = new(greatest)
		}
	}
}
