// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render/pods"
)

// builtInNames are the templates that the program brings.
var builtInNames = []string{"daemonset", "deployment", "job", "knative", "statefulset"}

// firstPod is the pod of the first function.
func firstPod(t *testing.T, name string, change ...func(*v1alpha1.DeploymentRecord)) corev1.PodTemplateSpec {
	t.Helper()
	in := input(t, record(change...), name)
	return newFunction(&in, &in.Record.Spec.FunctionContainers[0]).pod()
}

// TestPodsKnowNothingOfOtherServices: with a few thousand Services in a namespace, the
// variables that tell of them exceed what Linux passes to a program.
func TestPodsKnowNothingOfOtherServices(t *testing.T) {
	for _, name := range builtInNames {
		if ptr.Deref(firstPod(t, name).Spec.EnableServiceLinks, true) {
			t.Errorf("%s: each Service of the namespace adds variables to the pod", name)
		}
	}
}

// TestAFunctionGetsTheFilesItAsksFor, under names that the data grid beside it does not
// use, and as the user that it runs as.
func TestAFunctionGetsTheFilesItAsksFor(t *testing.T) {
	limit := resource.MustParse("1Mi")
	asks := func(r *v1alpha1.DeploymentRecord) {
		r.Spec.FunctionContainers[0].VolumeMounts = []v1alpha1.VolumeMount{
			{Name: "config", MountPath: "/etc/app.yaml", SubPath: "app.yaml", ConfigMap: &v1alpha1.ObjectVolume{Name: "app", Optional: true}},
			{Name: "keys", MountPath: "/keys", Secret: &v1alpha1.ObjectVolume{Name: "keys"}},
			{Name: "models", MountPath: "/models", ReadOnly: true, PersistentVolumeClaim: &v1alpha1.ClaimVolume{ClaimName: "models"}},
			{Name: "scratch", MountPath: "/tmp", EmptyDir: &v1alpha1.EmptyVolume{Medium: corev1.StorageMediumMemory, SizeLimit: &limit}},
		}
	}
	mounts := []corev1.VolumeMount{
		{Name: "function-config", MountPath: "/etc/app.yaml", SubPath: "app.yaml", ReadOnly: true},
		{Name: "function-keys", MountPath: "/keys", ReadOnly: true},
		{Name: "function-models", MountPath: "/models", ReadOnly: true},
		{Name: "function-scratch", MountPath: "/tmp"},
	}
	volumes := []corev1.Volume{
		{Name: "function-config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "app"}, Optional: new(true),
		}}},
		{Name: "function-keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys"}}},
		{Name: "function-models", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "models", ReadOnly: true}}},
		{Name: "function-scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &limit}}},
	}
	for _, name := range builtInNames {
		spec := firstPod(t, name, asks).Spec
		if diff := cmp.Diff(mounts, spec.Containers[0].VolumeMounts); diff != "" {
			t.Errorf("%s: mounts (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(volumes, spec.Volumes); diff != "" {
			t.Errorf("%s: volumes (-want +got):\n%s", name, diff)
		}
		// Knative has the security context of the container alone.
		if name != "knative" && ptr.Deref(spec.SecurityContext.FSGroup, 0) != pods.Nobody {
			t.Errorf("%s: the files do not belong to the user of the container", name)
		}
	}
}

// TestPartsOfAClaimAreOneVolume: of two volumes with one claim, many a kubelet mounts
// one and waits for the other for ever.
func TestPartsOfAClaimAreOneVolume(t *testing.T) {
	part := func(name string, readOnly bool) v1alpha1.VolumeMount {
		return v1alpha1.VolumeMount{
			Name: name, MountPath: "/" + name, SubPath: name, ReadOnly: readOnly,
			PersistentVolumeClaim: &v1alpha1.ClaimVolume{ClaimName: "data"},
		}
	}
	for sentence, test := range map[string]struct {
		parts []v1alpha1.VolumeMount
		want  bool
	}{
		"read":             {[]v1alpha1.VolumeMount{part("a", true), part("b", true)}, true},
		"read and written": {[]v1alpha1.VolumeMount{part("a", true), part("b", false)}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			spec := firstPod(t, "deployment", func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].VolumeMounts = test.parts }).Spec
			want := []corev1.Volume{{Name: "function-a", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data", ReadOnly: test.want},
			}}}
			if diff := cmp.Diff(want, spec.Volumes); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
			mounts := []corev1.VolumeMount{
				{Name: "function-a", MountPath: "/a", SubPath: "a", ReadOnly: true},
				{Name: "function-a", MountPath: "/b", SubPath: "b", ReadOnly: test.want},
			}
			if diff := cmp.Diff(mounts, spec.Containers[0].VolumeMounts); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSizeRollsNoPods: the number of replicas is not a part of the pod, so that a
// change of it restarts nothing.
func TestSizeRollsNoPods(t *testing.T) {
	sized := func(least, most int32) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) {
			r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: least, MaxReplicas: most}
		}
	}
	for _, name := range builtInNames {
		if !equality.Semantic.DeepEqual(firstPod(t, name, sized(1, 1)), firstPod(t, name, sized(3, 5))) {
			t.Errorf("%s: three replicas have another pod than one", name)
		}
	}
}
