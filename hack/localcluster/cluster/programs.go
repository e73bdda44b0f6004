// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"net"
	"strconv"

	"oaas.io/oaas/hack/localcluster/binaries"
)

const (
	// ServiceCIDR is the range of cluster IPs.
	ServiceCIDR = "10.96.0.0/16"
	// PodCIDR is the range of the IP addresses of simulated pods.
	PodCIDR = "10.244.0.0/16"
	// ClusterDomain is the DNS domain of services.
	ClusterDomain = "cluster.local"

	apiServerServiceIP = "10.96.0.1"
	loopback           = "127.0.0.1"
	issuer             = "https://kubernetes.default.svc." + ClusterDomain

	// A node counts as lost only when kwok did not renew its lease for a while:
	// it may starve on a machine that compiles beside the cluster.
	nodeLeaseSeconds       = 120
	nodeMonitorGracePeriod = "180s"
)

func httpsURL(host string, port int) string {
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// etcdArgs trade durability for speed: the data need not survive the machine,
// and a killed process loses nothing that it wrote.
func etcdArgs(l layout, port int) []string {
	url := httpsURL(loopback, port)
	// Peers never come. The port is one that the kernel chooses.
	peer := httpsURL(loopback, 0)
	return []string{
		"--name=local",
		"--data-dir=" + l.etcdDir(),
		"--unsafe-no-fsync",
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=local=" + peer,
		"--cert-file=" + l.cert(etcdServer),
		"--key-file=" + l.key(etcdServer),
		"--trusted-ca-file=" + l.cert(etcdCA),
		"--client-cert-auth",
		"--peer-cert-file=" + l.cert(etcdServer),
		"--peer-key-file=" + l.key(etcdServer),
		"--peer-trusted-ca-file=" + l.cert(etcdCA),
		"--peer-client-cert-auth",
		"--quota-backend-bytes=" + strconv.Itoa(4<<30),
		"--log-level=warn",
	}
}

func apiServerArgs(l layout, s settings, etcdPort, port int) []string {
	return append([]string{
		"--etcd-servers=" + httpsURL(loopback, etcdPort),
		"--etcd-cafile=" + l.cert(etcdCA),
		"--etcd-certfile=" + l.cert(etcdClient),
		"--etcd-keyfile=" + l.key(etcdClient),
		"--bind-address=" + s.BindAddress,
		"--secure-port=" + strconv.Itoa(port),
		"--advertise-address=" + s.AdvertiseAddress,
		"--tls-cert-file=" + l.cert(apiServer),
		"--tls-private-key-file=" + l.key(apiServer),
		"--client-ca-file=" + l.cert(clusterCA),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + l.path("pki", serviceAccount+".pub"),
		"--service-account-signing-key-file=" + l.key(serviceAccount),
		"--kubelet-certificate-authority=" + l.cert(clusterCA),
		"--kubelet-client-certificate=" + l.cert(kubeletClient),
		"--kubelet-client-key=" + l.key(kubeletClient),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		// The front-proxy set. Without it an aggregated API server has nobody to
		// trust and never gets ready. Aggregator routing stays off: with it, a
		// Service of type ExternalName is refused, by which a server beside the
		// cluster is reached.
		"--requestheader-client-ca-file=" + l.cert(frontProxyCA),
		"--requestheader-allowed-names=" + frontProxyClient,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.cert(frontProxyClient),
		"--proxy-client-key-file=" + l.key(frontProxyClient),
	}, s.APIServerArgs...)
}

// The controller manager and the scheduler serve nothing (port 0), which saves
// two ports that could clash. They are alone, so they need no election, whose
// lease would delay a restart by 15 s.

func controllerManagerArgs(l layout, s settings) []string {
	return append([]string{
		"--kubeconfig=" + l.kubeconfigOf(binaries.KubeControllerManager),
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + l.key(serviceAccount),
		"--root-ca-file=" + l.cert(clusterCA),
		"--cluster-signing-cert-file=" + l.cert(clusterCA),
		"--cluster-signing-key-file=" + l.key(clusterCA),
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--concurrent-deployment-syncs=20",
		"--concurrent-replicaset-syncs=20",
		"--concurrent-statefulset-syncs=20",
		"--concurrent-service-endpoint-syncs=20",
		"--concurrent-namespace-syncs=20",
		"--node-monitor-grace-period=" + nodeMonitorGracePeriod,
		// It makes the folder, by default outside of the state folder.
		"--flex-volume-plugin-dir=" + l.path("volume-plugins"),
	}, s.ControllerManagerArgs...)
}

func schedulerArgs(l layout) []string {
	return []string{
		"--kubeconfig=" + l.kubeconfigOf(binaries.KubeScheduler),
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}
}

func kwokArgs(l layout, stages string) []string {
	return []string{
		"--kubeconfig=" + l.kubeconfigOf(binaries.Kwok),
		"--config=" + stages,
		// Only nodes that are marked as simulated, so that a real one may join.
		"--manage-all-nodes=false",
		fmt.Sprintf("--manage-nodes-with-annotation-selector=%s=%s", kwokNodeKey, kwokNodeValue),
		"--node-lease-duration-seconds=" + strconv.Itoa(nodeLeaseSeconds),
		"--cidr=" + PodCIDR,
	}
}
