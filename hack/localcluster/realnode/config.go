// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"sigs.k8s.io/yaml"

	"oaas.io/oaas/hack/localcluster/cluster"
)

// dnsAddress is the cluster IP of the DNS service, by custom the tenth.
const dnsAddress = "10.96.0.10"

// containerdConfig is in the form of version 2, which containerd 1.6 to 2 read.
// Strings are quoted as in JSON, which TOML shares.
func containerdConfig(f files, snapshotter, plugins, pauseImage string) []byte {
	q := func(s string) string {
		quoted, err := json.Marshal(s)
		if err != nil {
			return `""` // never: a string can be quoted
		}
		return string(quoted)
	}
	return fmt.Appendf(nil, `version = 2
root = %s
state = %s
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = %s

[plugins."io.containerd.internal.v1.opt"]
  path = %s

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %s
  # Where the kernel forbids to protect a process from running out of memory,
  # no container would start otherwise.
  restrict_oom_score_adj = true
  disable_tcp_service = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %s

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %s
  conf_dir = %s
`, q(f.path("containerd")), q(f.path("containerd-state")), q(containerdSocket()), q(f.path("opt")), q(pauseImage),
		q(snapshotter), q(plugins), q(f.cniConfig()))
}

// cniConfig needs no rules in the firewall for single pods, which would be left
// behind by pods that are killed; podRules do for all. Host ports need such
// rules, so they are not offered.
func cniConfig(f files, gateway netip.Prefix) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "oaas",
		"plugins": []map[string]any{{
			"type":        "bridge",
			"bridge":      bridge,
			"isGateway":   true,
			"hairpinMode": true,
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": f.path("addresses"),
				"ranges":  [][]map[string]string{{{"subnet": gateway.Masked().String(), "gateway": gateway.Addr().String()}}},
				"routes":  []map[string]string{{"dst": "0.0.0.0/0"}},
			},
		}},
	}, "", "  ")
}

// kubeletConfig describes a node on a machine that also does other work:
// nothing is evicted, no image is thrown away, no swap is objected to.
func kubeletConfig(f files, address, caPath, resolvConf string, port int, dns bool) ([]byte, error) {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": caPath},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"address":                  address,
		"port":                     port,
		"readOnlyPort":             0,
		"healthzPort":              0,
		"tlsCertFile":              f.servingCert(),
		"tlsPrivateKeyFile":        f.servingKey(),
		"containerRuntimeEndpoint": "unix://" + containerdSocket(),
		"podLogsDir":               f.path("pod-logs"),
		"volumePluginDir":          f.path("volume-plugins"),
		"resolvConf":               resolvConf,
		"clusterDomain":            cluster.ClusterDomain,
		"maxPods":                  110,

		"cgroupDriver":           "cgroupfs",
		"cgroupRoot":             "/" + cgroupName,
		"failCgroupV1":           false,
		"failSwapOn":             false,
		"oomScoreAdj":            0,
		"makeIPTablesUtilChains": false,
		// Some file systems have no project quotas.
		"localStorageCapacityIsolation": false,
		// The machine is not ours to divide.
		"enforceNodeAllocatable": []string{},
		"evictionHard": map[string]string{
			"imagefs.available": "0%", "imagefs.inodesFree": "0%",
			"nodefs.available": "0%", "nodefs.inodesFree": "0%",
		},
		// An image that was imported cannot be pulled again.
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,

		// A local node has no reason to save its API server requests.
		"nodeStatusUpdateFrequency": "10s",
		"shutdownGracePeriod":       "0s",
	}
	if dns {
		config["clusterDNS"] = []string{dnsAddress}
	}
	return marshal("kubelet", config)
}

// kubeProxyConfig leaves the kernel's connection limits alone.
func kubeProxyConfig(f files, node string, subnet netip.Prefix, healthPort, metricsPort int) ([]byte, error) {
	return marshal("kube-proxy", map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": f.kubeconfig(kubeProxy)},
		"hostnameOverride":   node,
		"clusterCIDR":        subnet.Masked().String(),
		"healthzBindAddress": fmt.Sprintf("127.0.0.1:%d", healthPort),
		"metricsBindAddress": fmt.Sprintf("127.0.0.1:%d", metricsPort),
		"mode":               "iptables",
		"oomScoreAdj":        0,
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
		"iptables": map[string]any{
			// Replies between two pods of the bridge pass the firewall only where
			// a kernel module makes them; with this they all come back here.
			"masqueradeAll": true,
			// It would open loopback addresses to the network.
			"localhostNodePorts": false,
			"minSyncPeriod":      "100ms",
		},
	})
}

func marshal(program string, config map[string]any) ([]byte, error) {
	content, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration of %s: %w", program, err)
	}
	return content, nil
}
