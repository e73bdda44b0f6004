// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"a name that is no DNS label":          {Options{Name: "Two Words"}, `cluster name "Two Words"`},
		"a name that leaves the folder":        {Options{Name: "../x"}, `cluster name "../x"`},
		"a host name to bind to":               {Options{BindAddress: "localhost"}, `BindAddress "localhost" is not an IP address`},
		"a loopback address to advertise":      {Options{AdvertiseAddress: "127.0.0.1"}, "leave it empty for 192.0.2.1"},
		"an address to advertise that is none": {Options{AdvertiseAddress: "here"}, `AdvertiseAddress "here" is not an IP address`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := test.options.complete(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestSettingsLastUnlessMentioned(t *testing.T) {
	fresh := newSettings("a")
	for name, test := range map[string]struct {
		before    settings
		options   Options
		wantNodes int
		wantBind  string
	}{
		"a new cluster has the default":             {before: fresh, wantNodes: DefaultNodes, wantBind: "127.0.0.1"},
		"a number of nodes is taken":                {before: fresh, options: Options{Nodes: 7}, wantNodes: 7, wantBind: "127.0.0.1"},
		"a negative number means none":              {before: fresh, options: Options{Nodes: -1}, wantNodes: 0, wantBind: "127.0.0.1"},
		"none stays none":                           {before: fresh.with(Options{Nodes: -1}), wantNodes: 0, wantBind: "127.0.0.1"},
		"an earlier number stays":                   {before: fresh.with(Options{Nodes: 7}), wantNodes: 7, wantBind: "127.0.0.1"},
		"an earlier address stays":                  {before: fresh.with(Options{BindAddress: "0.0.0.0"}), wantNodes: 3, wantBind: "0.0.0.0"},
		"an earlier address gives way to a new one": {before: fresh.with(Options{BindAddress: "0.0.0.0"}), options: Options{BindAddress: "10.0.0.1"}, wantNodes: 3, wantBind: "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.before.with(test.options)
			if got.Nodes != test.wantNodes || got.BindAddress != test.wantBind {
				t.Errorf("got %+v, want %d nodes and %s", got, test.wantNodes, test.wantBind)
			}
		})
	}
}

func TestPlanNodes(t *testing.T) {
	for name, test := range map[string]struct {
		wanted     int
		existing   []string
		wantCreate []string
		wantRemove []string
	}{
		"a new cluster":             {wanted: 2, wantCreate: []string{"c-node-1", "c-node-2"}},
		"nothing to do":             {wanted: 1, existing: []string{"c-node-1"}},
		"more than before":          {wanted: 3, existing: []string{"c-node-1", "c-node-2"}, wantCreate: []string{"c-node-3"}},
		"fewer than before":         {wanted: 1, existing: []string{"c-node-1", "c-node-2"}, wantRemove: []string{"c-node-2"}},
		"one in the middle is gone": {wanted: 3, existing: []string{"c-node-1", "c-node-3"}, wantCreate: []string{"c-node-2"}},
		"none wanted":               {wanted: 0, existing: []string{"c-node-1"}, wantRemove: []string{"c-node-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			create, remove := planNodes("c", test.wanted, test.existing)
			var names []string
			for _, node := range create {
				names = append(names, node.Name)
			}
			if !slices.Equal(names, test.wantCreate) || !slices.Equal(remove, test.wantRemove) {
				t.Errorf("create %v and remove %v, want %v and %v", names, remove, test.wantCreate, test.wantRemove)
			}
		})
	}
}

func TestSimulatedNodesAreSpreadOverZones(t *testing.T) {
	var zones []string
	for i := range 4 {
		zones = append(zones, simulatedNode("c", i).Labels[corev1.LabelTopologyZone])
	}
	if want := []string{"local-a", "local-b", "local-c", "local-a"}; !slices.Equal(zones, want) {
		t.Errorf("zones are %v, want %v", zones, want)
	}
}

func TestTakesPods(t *testing.T) {
	ready := corev1.NodeStatus{Conditions: []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse}, {Type: corev1.NodeReady, Status: corev1.ConditionTrue},
	}}
	tainted := corev1.NodeSpec{Taints: []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}}
	for name, test := range map[string]struct {
		node corev1.Node
		want bool
	}{
		"a node that nobody reported on":          {node: corev1.Node{}},
		"a ready node whose taint is still there": {node: corev1.Node{Status: ready, Spec: tainted}},
		"a ready node": {node: corev1.Node{Status: ready}, want: true},
	} {
		if got := takesPods(&test.node); got != test.want {
			t.Errorf("%s: takes pods: %t, want %t", name, got, test.want)
		}
	}
}

func TestLeaseHeld(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	renewed := func(ago time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: now.Add(-ago)} }
	for name, test := range map[string]struct {
		lease coordinationv1.LeaseSpec
		want  bool
	}{
		"one that nobody holds":         {lease: coordinationv1.LeaseSpec{}},
		"one that was renewed in time":  {lease: coordinationv1.LeaseSpec{RenewTime: renewed(59 * time.Second), LeaseDurationSeconds: ptr.To[int32](60)}, want: true},
		"one whose holder is overdue":   {lease: coordinationv1.LeaseSpec{RenewTime: renewed(61 * time.Second), LeaseDurationSeconds: ptr.To[int32](60)}},
		"one without a time to be held": {lease: coordinationv1.LeaseSpec{RenewTime: renewed(0)}},
	} {
		if got := leaseHeld(test.lease, now); got != test.want {
			t.Errorf("%s: held: %t, want %t", name, got, test.want)
		}
	}
}

func TestFailedChecks(t *testing.T) {
	body := "[+]ping ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\n[+]etcd ok\n[-]etcd failed: reason withheld\nreadyz check failed"
	if got, want := failedChecks(body), []string{"poststarthook/rbac/bootstrap-roles", "etcd"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("x", tailBytes) + "\nlast but one\nlast\n"
	for name, test := range map[string]struct{ content, want string }{
		"a short log is shown as a whole": {"one\ntwo\n", "one\ntwo"},
		"a long log is cut":               {long, "last but one\nlast"},
		"an empty log is called empty":    {"", "(the log is empty)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := tail(path, 2); got != test.want {
				t.Errorf("got %.100q, want %q", got, test.want)
			}
		})
	}
	if got := tail(filepath.Join(t.TempDir(), "absent"), 2); !strings.Contains(got, "no such file") {
		t.Errorf("an absent log reads %q", got)
	}
}

func TestStateIsReadAsItWasWritten(t *testing.T) {
	l := layout(filepath.Join(t.TempDir(), "state"))
	s, err := claim(l, "a")
	if err != nil {
		t.Fatal(err)
	}
	s.APIServerPort = 20001
	if err := s.save(l); err != nil {
		t.Fatal(err)
	}
	again, err := claim(l, "ignored")
	if err != nil {
		t.Fatal(err)
	}
	if again.Name != "a" || again.APIServerPort != 20001 {
		t.Errorf("got %+v", again)
	}
	if entries, err := os.ReadDir(string(l)); err != nil || len(entries) != 1 {
		t.Errorf("writing leaves %v, %v", entries, err)
	}
}

func TestFreePortIsNotTaken(t *testing.T) {
	port, err := freePort(loopback)
	if err != nil {
		t.Fatal(err)
	}
	if port < firstPort || port > lastPort {
		t.Errorf("port %d is not between %d and %d", port, firstPort, lastPort)
	}
}
