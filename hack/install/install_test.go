// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/hack/internal/manifests"
	"oaas.io/oaas/hack/localcluster/binaries"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
)

func TestValidate(t *testing.T) {
	valid := options{storage: storageVolume, timeout: time.Minute}
	member := options{
		storage: storageVolume, timeout: time.Minute, member: true,
		name: "west", endpoint: "crm.west.example:8081", packageManagerCA: "ca.crt",
	}
	for name, test := range map[string]struct {
		start   options
		change  func(*options)
		problem string
	}{
		"the defaults suit a hub":                     {start: valid},
		"a member with all it needs is accepted":      {start: member},
		"another storage is refused":                  {start: valid, change: func(o *options) { o.storage = "disk" }, problem: `--storage "disk"`},
		"no time at all is refused":                   {start: valid, change: func(o *options) { o.timeout = 0 }, problem: "--timeout"},
		"a name that no object can have is refused":   {start: valid, change: func(o *options) { o.name = "West" }, problem: `--name "West"`},
		"a member has to be named":                    {start: member, change: func(o *options) { o.name = "" }, problem: "--name"},
		"a member needs an endpoint with a port":      {start: member, change: func(o *options) { o.endpoint = "crm.west.example" }, problem: "--endpoint"},
		"a member needs the authority of its callers": {start: member, change: func(o *options) { o.packageManagerCA = "" }, problem: printAuthority},
		"a member may report":                         {start: member, change: func(o *options) { o.reportEndpoint, o.reportCA = "pm.example:8090", "pm.crt" }},
		"reports go to a port":                        {start: member, change: func(o *options) { o.reportEndpoint, o.reportCA = "pm.example", "pm.crt" }, problem: "--report-endpoint"},
		"reports go to a server that can be verified": {start: member, change: func(o *options) { o.reportEndpoint = "pm.example:8090" }, problem: printServingAuthorities},
		"an authority without reports is a mistake":   {start: member, change: func(o *options) { o.reportCA = "pm.crt" }, problem: "--report-endpoint"},
		"a hub reports to itself":                     {start: valid, change: func(o *options) { o.reportEndpoint = "x:1" }, problem: "--member"},
		"a hub has no endpoint":                       {start: valid, change: func(o *options) { o.endpoint = "x:1" }, problem: "--member"},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.start
			if test.change != nil {
				test.change(&o)
			}
			err := o.validate()
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("error %v, want one with %q", err, test.problem)
			}
		})
	}
}

func TestAPrivateKeyIsNotTakenForAnAuthority(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	content := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAuthority("package-manager-ca", file); err == nil || !strings.Contains(err.Error(), "private key") {
		t.Errorf("error %v, want one that tells of the private key", err)
	}
}

func TestCustomise(t *testing.T) {
	objects := render(t, manifests.Hub)
	o := options{apiserverImage: "registry.example/apiserver:1", crmImage: "registry.example/crm:1", storage: storageEphemeral}
	if err := customise(objects, o); err != nil {
		t.Fatal(err)
	}
	set := find[appsv1.StatefulSet](t, objects, "StatefulSet")
	if image := set.Spec.Template.Spec.Containers[0].Image; image != o.apiserverImage {
		t.Errorf("the Package Manager's image is %s", image)
	}
	if len(set.Spec.VolumeClaimTemplates) != 0 {
		t.Error("ephemeral storage still claims a volume")
	}
	if i := slices.IndexFunc(set.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == dataVolume }); i < 0 ||
		set.Spec.Template.Spec.Volumes[i].EmptyDir == nil {
		t.Errorf("the volumes are %+v, want an empty folder called %s", set.Spec.Template.Spec.Volumes, dataVolume)
	}
	deployment := find[appsv1.Deployment](t, objects, "Deployment")
	if image := deployment.Spec.Template.Spec.Containers[0].Image; image != o.crmImage {
		t.Errorf("the Class Runtime Manager's image is %s", image)
	}
	if bundle := find[apiregistrationv1.APIService](t, objects, "APIService").Spec.CABundle; bundle != nil {
		t.Errorf("the registration holds %q: applying it again would take away what the server filled in", bundle)
	}
}

func TestCustomiseKeepsTheManifests(t *testing.T) {
	objects := render(t, manifests.Hub)
	if err := customise(objects, options{storage: storageVolume}); err != nil {
		t.Fatal(err)
	}
	set := find[appsv1.StatefulSet](t, objects, "StatefulSet")
	if set.Spec.Template.Spec.Containers[0].Image == "" || len(set.Spec.VolumeClaimTemplates) != 1 {
		t.Errorf("without options the image is %q with %d claims, want those of the manifests",
			set.Spec.Template.Spec.Containers[0].Image, len(set.Spec.VolumeClaimTemplates))
	}
}

// What the program is told must be what it accepts, and only the certificates of the
// Package Manager's authorities may reach its pod.
func TestTheHubReportsToItself(t *testing.T) {
	objects := render(t, manifests.Hub)
	if err := customise(objects, options{storage: storageVolume, name: "local"}); err != nil {
		t.Fatal(err)
	}
	pod := find[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec
	if r := reportOf(t, pod); r.Endpoint != "oaas-apiserver.oaas-system.svc:8090" || r.Cluster != "local" || r.CAFile == "" {
		t.Errorf("reports = %+v", r)
	}
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == trustVolume })
	if i < 0 || len(pod.Volumes[i].Secret.Items) != 1 || pod.Volumes[i].Secret.Items[0].Key != "ca.crt" {
		t.Errorf("volumes = %+v, want the certificates of the authorities and nothing else", pod.Volumes)
	}
}

func TestAMemberReportsWhereItIsTold(t *testing.T) {
	for endpoint, want := range map[string]config.Report{
		"":                {},
		"pm.example:8090": {Endpoint: "pm.example:8090", Cluster: "west", CAFile: trustFolder + "/ca.crt", ServerName: "oaas-apiserver.oaas-system.svc"},
	} {
		objects := render(t, manifests.Member)
		if err := customise(objects, options{storage: storageVolume, member: true, name: "west", reportEndpoint: endpoint}); err != nil {
			t.Fatal(err)
		}
		pod := find[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec
		got := reportOf(t, pod)
		if got.Endpoint != want.Endpoint || got.Cluster != want.Cluster || got.CAFile != want.CAFile || got.ServerName != want.ServerName {
			t.Errorf("with --report-endpoint=%q reports = %+v, want %+v", endpoint, got, want)
		}
		mounted := slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
			return v.Name == trustVolume && v.ConfigMap != nil && v.ConfigMap.Name == trustedByMember(nil).Name
		})
		if mounted != (endpoint != "") {
			t.Errorf("with --report-endpoint=%q the volumes are %+v", endpoint, pod.Volumes)
		}
	}
}

// reportOf is what a program reads from the environment of its pod about reports.
func reportOf(t *testing.T, pod corev1.PodSpec) config.Report {
	t.Helper()
	return settingsOf(t, pod).Report
}

func TestThePlatformDoesWithoutPrometheusUnlessItIsNamed(t *testing.T) {
	for _, address := range []string{"", "http://prometheus.monitoring:9090"} {
		objects := render(t, manifests.Hub)
		if err := customise(objects, options{name: "hub", prometheusURL: address}); err != nil {
			t.Fatal(err)
		}
		settings := settingsOf(t, find[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec)
		if settings.Prometheus.URL != address || settings.NeedsPrometheus() != (address != "") {
			t.Errorf("with --prometheus-url=%q it uses %q, needed: %v", address, settings.Prometheus.URL, settings.NeedsPrometheus())
		}
	}
}

func TestPrometheusURLsThatCannotWork(t *testing.T) {
	for _, address := range []string{"prometheus:9090", "http://prometheus?x=1", "https://user:hidden@prometheus", "http://user:hidden@a b"} {
		o := options{storage: storageVolume, timeout: 1, prometheusURL: address}
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), "--prometheus-url") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("--prometheus-url=%q is told %v, want an error that names the flag and no password", address, err)
		}
	}
}

// settingsOf is what a program reads from the environment of its pod.
func settingsOf(t *testing.T, pod corev1.PodSpec) config.Config {
	t.Helper()
	var environ []string
	for _, variable := range pod.Containers[0].Env {
		environ = append(environ, variable.Name+"="+variable.Value)
	}
	settings, err := config.Load(t.Context(), nil, environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestMemberAdviceIsAClusterThatCanBeApplied(t *testing.T) {
	o := options{member: true, name: "west", endpoint: "crm.west.example:8081", environments: []string{"edge"}}
	text, err := memberAdvice(o, []byte("authority"))
	if err != nil {
		t.Fatal(err)
	}
	var got pmv1alpha1.Cluster
	if err := yaml.UnmarshalStrict([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "Cluster" || got.Name != "west" || got.Spec.Endpoint != o.endpoint || got.Spec.Default {
		t.Errorf("it is %+v, want cluster west at %s, which is not the default", got, o.endpoint)
	}
	if got.Spec.TLS == nil || string(got.Spec.TLS.CABundle) != "authority" || got.Spec.TLS.ServerName != "oaas-crm.oaas-system.svc" {
		t.Errorf("the server is verified by %+v, want the member's authority and the name of the Service", got.Spec.TLS)
	}
}

func TestPodTrouble(t *testing.T) {
	container := func(state corev1.ContainerStatus) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{state}}}
	}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"a pod that starts is in no trouble": {container(corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}},
		}), ""},
		"a missing image is told": {container(corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}},
		}), "ImagePullBackOff no such image"},
		"a program that ended is told": {container(corev1.ContainerStatus{
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}}, RestartCount: 3,
		}), "ended with code 2"},
		"a program that was restarted and is ready is in no trouble": {container(corev1.ContainerStatus{
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}}, Ready: true,
		}), ""},
		"a pod without a node is told": {&corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "unbound claim"},
		}}}, "Unschedulable: unbound claim"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := podTrouble(test.pod); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func render(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	root, err := binaries.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifests.Render(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// find returns the only object of a kind.
func find[T any](t *testing.T, objects []*unstructured.Unstructured, kind string) *T {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		typed := new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
			t.Fatal(err)
		}
		return typed
	}
	t.Fatalf("there is no %s", kind)
	return nil
}
