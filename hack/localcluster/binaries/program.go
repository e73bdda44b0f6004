// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

// Program is the file name of a program.
type Program string

// The programs that Ensure can provide.
const (
	Etcd                  Program = "etcd"
	KubeAPIServer         Program = "kube-apiserver"
	KubeControllerManager Program = "kube-controller-manager"
	KubeScheduler         Program = "kube-scheduler"
	Kubectl               Program = "kubectl"
	// Kwok simulates nodes and pods.
	Kwok Program = "kwok"
	// Kubelet and KubeProxy make this machine a real node.
	Kubelet   Program = "kubelet"
	KubeProxy Program = "kube-proxy"
	// SampleAPIServer is the aggregated API server that Kubernetes shows the way
	// with; benchmarks compare with it.
	SampleAPIServer Program = "sample-apiserver"
	// Prometheus is what the Class Runtime Manager asks for measurements.
	Prometheus Program = "prometheus"
)

// ControlPlane lists the programs of a cluster with simulated nodes.
func ControlPlane() []Program {
	return []Program{Etcd, KubeAPIServer, KubeControllerManager, KubeScheduler, Kwok}
}

const prometheusModule = "github.com/prometheus/prometheus"

// source says which nested module pins a program and what to build from it.
type source struct {
	// folder of the nested module, beside this file.
	folder string
	// module whose version the nested module pins.
	module string
	// pkg is the package of the program.
	pkg string
}

func sourceOf(p Program) (source, bool) {
	switch p {
	case Etcd:
		return source{folder: "etcd", module: "go.etcd.io/etcd/server/v3", pkg: "go.etcd.io/etcd/server/v3"}, true
	case SampleAPIServer:
		return source{folder: "sample-apiserver", module: "k8s.io/sample-apiserver", pkg: "k8s.io/sample-apiserver"}, true
	case Prometheus:
		return source{folder: "prometheus", module: prometheusModule, pkg: prometheusModule + "/cmd/prometheus"}, true
	case Kwok:
		return source{folder: "kwok", module: kwokModule, pkg: kwokModule + "/cmd/kwok"}, true
	case KubeAPIServer, KubeControllerManager, KubeScheduler, Kubectl, Kubelet, KubeProxy:
		return source{folder: "kubernetes", module: "k8s.io/kubernetes", pkg: "k8s.io/kubernetes/cmd/" + string(p)}, true
	}
	return source{}, false
}
