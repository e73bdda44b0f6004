// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestRemovalTakesOurRulesAndNoOthers(t *testing.T) {
	tests := map[string]struct {
		saved, want []string
	}{
		"an untouched firewall needs no change": {
			saved: []string{
				"*nat", ":POSTROUTING ACCEPT [0:0]", ":DOCKER - [0:0]", "-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE", "COMMIT",
			},
		},
		"the chains of kube-proxy go with all that jumps to them": {
			saved: []string{
				"*nat", ":OUTPUT ACCEPT [0:0]", ":KUBE-SERVICES - [1:60]", ":KUBE-SVC-A - [0:0]",
				`-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
				`-A OUTPUT -j DOCKER`,
				`-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-A`,
				"COMMIT",
			},
			want: []string{
				"*nat",
				`-D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
				":KUBE-SERVICES - [0:0]", ":KUBE-SVC-A - [0:0]", "-X KUBE-SERVICES", "-X KUBE-SVC-A",
				"COMMIT",
			},
		},
		"our own rules go from every table, quoted or not": {
			saved: []string{
				"*nat", `-A POSTROUTING -s 10.245.0.0/24 -m comment --comment oaas-real-node -j MASQUERADE`, "COMMIT",
				"*filter", `-A FORWARD -d 10.245.0.0/24 -m comment --comment "oaas-real-node" -j ACCEPT`, `-A FORWARD -j ACCEPT`, "COMMIT",
			},
			want: []string{
				"*nat", `-D POSTROUTING -s 10.245.0.0/24 -m comment --comment oaas-real-node -j MASQUERADE`, "COMMIT",
				"*filter", `-D FORWARD -d 10.245.0.0/24 -m comment --comment "oaas-real-node" -j ACCEPT`, "COMMIT",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := ""
			for _, line := range tt.want {
				want += line + "\n"
			}
			if got := removal([]byte(strings.Join(tt.saved, "\n"))); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestRemovalUndoesPodRules(t *testing.T) {
	// What iptables-save says after podRules: inserted rules are listed as
	// appended ones.
	saved := strings.ReplaceAll(podRules(netip.MustParsePrefix("10.245.0.1/24")), "-I ", "-A ")
	got := removal([]byte(saved))
	if want := strings.ReplaceAll(saved, "-A ", "-D "); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChooseSubnet(t *testing.T) {
	prefixes := func(texts ...string) []netip.Prefix {
		var out []netip.Prefix
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	tests := map[string]struct {
		taken []netip.Prefix
		want  string
	}{
		"the first is taken on a machine without its networks": {taken: prefixes("192.0.2.0/24"), want: "10.245.0.0/24"},
		"one that a larger network covers is left out":         {taken: prefixes("10.0.0.0/8"), want: "172.29.77.0/24"},
		"one that a single address is in is left out":          {taken: prefixes("10.245.0.9/32", "fd00::/8"), want: "10.213.77.0/24"},
		"none is forced on a machine that uses them all":       {taken: prefixes("0.0.0.0/0")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := chooseSubnet(candidates(), tt.taken)
			if tt.want == "" {
				if err == nil {
					t.Errorf("got %s, want an error", got)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestControllersThatAreMissingAreNamed(t *testing.T) {
	tests := map[string]struct {
		mounts, unified string
		problem         string
	}{
		"version 1, one tree a controller": {
			mounts: "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n",
		},
		"version 2":                    {mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", unified: "cpuset cpu io memory pids"},
		"version 2 without memory":     {mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", unified: "cpu pids", problem: "controller memory"},
		"no control groups at all":     {mounts: "proc /proc proc rw 0 0\n", problem: "controller cpu"},
		"another file system's option": {mounts: "x /x ext4 rw,cpu,memory,pids 0 0\n", problem: "controller cpu"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := checkControllers(parseHierarchies([]byte(tt.mounts)), tt.unified)
			switch {
			case tt.problem == "" && err != nil:
				t.Error(err)
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("error %v, want one with %q", err, tt.problem)
			}
		})
	}
}

func TestTakesPods(t *testing.T) {
	node := func(status corev1.ConditionStatus, taints ...string) *corev1.Node {
		n := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse},
			{Type: corev1.NodeReady, Status: status, Message: "network plugin not ready"},
		}}}
		for _, key := range taints {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key})
		}
		return n
	}
	tests := map[string]struct {
		node    *corev1.Node
		problem string
	}{
		"a ready node takes pods":                       {node: node(corev1.ConditionTrue)},
		"the taint of somebody else does not matter":    {node: node(corev1.ConditionTrue, "example.com/gpu")},
		"a node that is not ready says why":             {node: node(corev1.ConditionFalse), problem: "network plugin not ready"},
		"a ready node with the old taint takes none":    {node: node(corev1.ConditionTrue, corev1.TaintNodeNotReady), problem: corev1.TaintNodeNotReady},
		"a node that kubelet never reported takes none": {node: &corev1.Node{}, problem: "has not reported"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := takesPods(tt.node)
			switch {
			case tt.problem == "" && err != nil:
				t.Error(err)
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("error %v, want one with %q", err, tt.problem)
			}
		})
	}
}

func TestEverythingThatIsWrittenLiesInTheFolderOfTheNode(t *testing.T) {
	f := files("/state/node")
	gateway := netip.MustParsePrefix("10.245.0.1/24")
	kubeletYAML, err := kubeletConfig(f, "10.245.0.1", "/state/pki/ca.crt", "/etc/resolv.conf", 20000, true)
	if err != nil {
		t.Fatal(err)
	}
	cni, err := cniConfig(f, gateway)
	if err != nil {
		t.Fatal(err)
	}
	var kubeletFields map[string]any
	if err := yaml.Unmarshal(kubeletYAML, &kubeletFields); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"podLogsDir", "volumePluginDir", "tlsCertFile", "tlsPrivateKeyFile"} {
		if path, ok := kubeletFields[field].(string); !ok || !strings.HasPrefix(path, string(f)) {
			t.Errorf("kubelet's %s is %v, want it in %s", field, kubeletFields[field], f)
		}
	}
	var network struct {
		Plugins []struct {
			Type string
			IPAM struct{ DataDir string }
		}
	}
	if err := json.Unmarshal(cni, &network); err != nil {
		t.Fatal(err)
	}
	if len(network.Plugins) != 1 || !strings.HasPrefix(network.Plugins[0].IPAM.DataDir, string(f)) {
		t.Errorf("the network keeps addresses in %+v, want %s", network.Plugins, f)
	}
	for line := range strings.Lines(string(containerdConfig(f, "overlayfs", "/usr/lib/cni", "pause:1"))) {
		for _, key := range []string{"root", "state", "path", "conf_dir"} {
			value, found := strings.CutPrefix(strings.TrimSpace(line), key+" = ")
			if found && !strings.HasPrefix(value, `"`+string(f)) {
				t.Errorf("containerd's %s is %s, want it in %s", key, value, f)
			}
		}
	}
}

func TestSocketPathFits(t *testing.T) {
	const limit = 108 // sun_path, see unix(7)
	if n := len(containerdSocket()); n >= limit {
		t.Errorf("the path of containerd's socket has %d bytes, the kernel takes fewer than %d", n, limit)
	}
}

func TestNamesOfOthersAreForwardedOnlyToSomebody(t *testing.T) {
	if !strings.Contains(corefile(true), "forward . /etc/resolv.conf") {
		t.Error("names outside of the cluster are not forwarded")
	}
	if strings.Contains(corefile(false), "forward") {
		t.Error("CoreDNS ends at once when it has nobody to forward to")
	}
}

func TestMissingFoldersAreThoseToRemoveAgain(t *testing.T) {
	dir := t.TempDir()
	got := missingFolders(filepath.Join(dir, "a", "b"))
	if want := []string{filepath.Join(dir, "a"), filepath.Join(dir, "a", "b")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := missingFolders(dir); got != nil {
		t.Errorf("got %v for a folder that exists", got)
	}
}

func TestEveryMissingProgramIsNamedWithItsPackage(t *testing.T) {
	nowhere := func(string) (string, error) { return "", exec.ErrNotFound }
	problems := missingPrograms(nowhere)
	if len(problems) != len(requirements()) {
		t.Errorf("%d problems on a machine without any program, want %d", len(problems), len(requirements()))
	}
	const want = "the program containerd is missing: on Debian, apt-get install containerd"
	if len(problems) == 0 || problems[0].Error() != want {
		t.Errorf("got %v, want %q first", problems, want)
	}
	everywhere := func(program string) (string, error) { return "/bin/" + program, nil }
	if problems := missingPrograms(everywhere); problems != nil {
		t.Errorf("got %v on a machine with every program", problems)
	}
}
