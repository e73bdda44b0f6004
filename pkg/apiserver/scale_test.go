// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// scales reads and writes the scale of one class deployment.
type scales struct {
	*testing.T
	server *server
	name   string
}

func (s scales) answer(result rest.Result) (*autoscalingv1.Scale, error) {
	s.Helper()
	if err := result.Error(); err != nil {
		return nil, err
	}
	body, err := result.Raw()
	if err != nil {
		s.Fatal(err)
	}
	scale := &autoscalingv1.Scale{}
	if err := json.Unmarshal(body, scale); err != nil {
		s.Fatalf("%s: %v", body, err)
	}
	if scale.Kind != "Scale" || scale.APIVersion != "autoscaling/v1" {
		s.Errorf("the answer is a %s of %s, want a Scale of autoscaling/v1", scale.Kind, scale.APIVersion)
	}
	return scale, nil
}

func (s scales) get() *autoscalingv1.Scale {
	s.Helper()
	result := s.server.client.PmV1alpha1().RESTClient().Get().Namespace("default").Resource("classdeployments").Name(s.name).SubResource("scale").
		SetHeader("Accept", runtime.ContentTypeJSON).Do(s.Context())
	scale, err := s.answer(result)
	if err != nil {
		s.Fatal(err)
	}
	return scale
}

func (s scales) patch(kind types.PatchType, body string, parameters ...string) (*autoscalingv1.Scale, error) {
	s.Helper()
	request := s.server.client.PmV1alpha1().RESTClient().Patch(kind).Namespace("default").Resource("classdeployments").Name(s.name).SubResource("scale").
		SetHeader("Accept", runtime.ContentTypeJSON).Body([]byte(body))
	for i := 0; i < len(parameters); i += 2 {
		request.Param(parameters[i], parameters[i+1])
	}
	return s.answer(request.Do(s.Context()))
}

func (s scales) put(scale *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	s.Helper()
	body, err := json.Marshal(scale)
	if err != nil {
		s.Fatal(err)
	}
	return s.answer(s.server.client.PmV1alpha1().RESTClient().Put().Namespace("default").Resource("classdeployments").Name(s.name).SubResource("scale").
		SetHeader("Accept", runtime.ContentTypeJSON).SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(s.Context()))
}

func (s scales) deployment() *pmv1alpha1.ClassDeployment {
	s.Helper()
	d, err := s.server.client.PmV1alpha1().ClassDeployments("default").Get(s.Context(), s.name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// owners lists who owns a bound of the replicas, as manager/operation/subresource.
func (s scales) owners() []string {
	s.Helper()
	var owners []string
	for _, entry := range s.deployment().ManagedFields {
		if strings.Contains(entry.FieldsV1.GetRawString(), `"f:max"`) && strings.Contains(entry.FieldsV1.GetRawString(), `"f:min"`) {
			owners = append(owners, fmt.Sprintf("%s/%s/%s", entry.Manager, entry.Operation, entry.Subresource))
		}
	}
	return owners
}

func (s scales) expectReplicas(want int32, generation int64) {
	s.Helper()
	d := s.deployment()
	bounds := ptr.Deref(d.Spec.Replicas, pmv1alpha1.ReplicaBounds{})
	if ptr.Deref(bounds.Min, -1) != want || ptr.Deref(bounds.Max, -1) != want {
		s.Errorf("the bounds are %v to %v, want exactly %d", ptr.Deref(bounds.Min, -1), ptr.Deref(bounds.Max, -1), want)
	}
	if d.Generation != generation {
		s.Errorf("the generation is %d, want %d", d.Generation, generation)
	}
}

func TestScale(t *testing.T) {
	server := runServer(t, dataFolder(t))
	makeScaled := func(t *testing.T, name string, change func(*pmv1alpha1.ClassDeployment)) scales {
		t.Helper()
		d := &pmv1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"}}
		change(d)
		created, err := server.client.PmV1alpha1().ClassDeployments("default").Create(t.Context(), d, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		created.Status = d.Status
		if _, err := server.client.PmV1alpha1().ClassDeployments("default").UpdateStatus(t.Context(), created, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		return scales{T: t, server: server, name: name}
	}
	plain := func(*pmv1alpha1.ClassDeployment) {}
	pkg := &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: "store"},
		Spec:       pmv1alpha1.PackageSpec{Classes: []pmv1alpha1.ClassDefinition{{Key: "Cart", StateSpec: &pmv1alpha1.StateSpec{}}}},
	}
	if _, err := server.client.PmV1alpha1().Packages("default").Create(t.Context(), pkg, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	t.Run("it tells what the requirements gave and what the functions have", func(t *testing.T) {
		s := makeScaled(t, "computed", func(d *pmv1alpha1.ClassDeployment) {
			d.Status.Requirements = &pmv1alpha1.ComputedRequirements{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 4}
			d.Status.Units = []pmv1alpha1.DeploymentUnitStatus{
				{Cluster: "a", DeploymentID: "x", Planned: true, Functions: []pmv1alpha1.FunctionStatus{{Key: "f", Replicas: 2}, {Key: "g", Replicas: 5}}},
				{Cluster: "b", DeploymentID: "x", Functions: []pmv1alpha1.FunctionStatus{{Key: "f", Replicas: 9}}},
			}
		})
		if got := s.get(); got.Spec.Replicas != 2 || got.Status.Replicas != 5 || got.ResourceVersion == "" || got.UID == "" {
			t.Errorf("scale is %+v, want 2 wanted, and 5 of the function that is farthest from it", got)
		}
	})
	t.Run("a patch as kubectl sends it sets both bounds", func(t *testing.T) {
		s := makeScaled(t, "patched", plain)
		scale, err := s.patch(types.MergePatchType, `{"spec":{"replicas":3}}`, "fieldManager", "kubectl")
		if err != nil || scale.Spec.Replicas != 3 {
			t.Fatalf("scale is %+v, %v", scale, err)
		}
		s.expectReplicas(3, 2)
		if got := s.owners(); len(got) != 1 || got[0] != "kubectl/Update/scale" {
			t.Errorf("the bounds are owned by %v, want kubectl by the scale: %+v", got, s.deployment().ManagedFields)
		}
		if _, err := s.patch(types.MergePatchType, `{"spec":{"replicas":3}}`, "fieldManager", "kubectl"); err != nil {
			t.Fatal(err)
		}
		s.expectReplicas(3, 2)
	})
	t.Run("zero is a scale", func(t *testing.T) {
		s := makeScaled(t, "stopped", plain)
		if _, err := s.patch(types.MergePatchType, `{"spec":{"replicas":0}}`); err != nil {
			t.Fatal(err)
		}
		s.expectReplicas(0, 2)
	})
	t.Run("an update with an old resource version is refused", func(t *testing.T) {
		s := makeScaled(t, "stale", plain)
		old := s.get()
		if _, err := s.patch(types.MergePatchType, `{"spec":{"replicas":3}}`); err != nil {
			t.Fatal(err)
		}
		old.Spec.Replicas = 7
		if _, err := s.put(old); !apierrors.IsConflict(err) {
			t.Errorf("error %v, want a conflict", err)
		}
		current := s.get()
		current.Spec.Replicas = 7
		if _, err := s.put(current); err != nil {
			t.Error(err)
		}
		s.expectReplicas(7, 3)
	})
	t.Run("a negative number is refused with its field", func(t *testing.T) {
		s := makeScaled(t, "negative", plain)
		if _, err := s.patch(types.MergePatchType, `{"spec":{"replicas":-1}}`); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.replicas") {
			t.Errorf("error %v, want one that names spec.replicas", err)
		}
	})
	t.Run("a dry run changes nothing", func(t *testing.T) {
		s := makeScaled(t, "dry", plain)
		scale, err := s.patch(types.MergePatchType, `{"spec":{"replicas":3}}`, "dryRun", "All")
		if err != nil || scale.Spec.Replicas != 3 || s.deployment().Spec.Replicas != nil {
			t.Errorf("scale is %+v, %v, and the deployment has %v; want 3 and no bounds", scale, err, s.deployment().Spec.Replicas)
		}
	})
	t.Run("the scale of what does not exist is not made", func(t *testing.T) {
		s := scales{T: t, server: server, name: "nobody"}
		if _, err := s.patch(types.MergePatchType, `{"spec":{"replicas":3}}`); !apierrors.IsNotFound(err) {
			t.Errorf("error %v, want not found", err)
		}
		apply := `{"apiVersion":"autoscaling/v1","kind":"Scale","spec":{"replicas":3}}`
		if _, err := s.patch(types.ApplyPatchType, apply, "fieldManager", "scaler"); !apierrors.IsNotFound(err) {
			t.Errorf("error %v, want not found", err)
		}
	})
	t.Run("server-side apply knows who owns the bounds across the two", func(t *testing.T) {
		s := makeScaled(t, "applied", plain)
		deployment := `{"apiVersion":"pm.oaas.io/v1alpha1","kind":"ClassDeployment","metadata":{"name":"applied"},"spec":{"packageName":"store","classKey":"Cart","replicas":{"min":2,"max":2}}}`
		_, err := server.client.PmV1alpha1().ClassDeployments("default").Patch(t.Context(), "applied", types.ApplyPatchType, []byte(deployment),
			metav1.PatchOptions{FieldManager: "author", Force: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		scale := func(replicas int) string {
			return fmt.Sprintf(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"applied"},"spec":{"replicas":%d}}`, replicas)
		}
		if _, err := s.patch(types.ApplyPatchType, scale(4), "fieldManager", "scaler"); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "author") {
			t.Errorf("error %v, want a conflict with the author of the deployment", err)
		}
		if _, err := s.patch(types.ApplyPatchType, scale(4), "fieldManager", "scaler", "force", "true"); err != nil {
			t.Fatal(err)
		}
		s.expectReplicas(4, 3)
		if got := s.owners(); len(got) != 1 || got[0] != "scaler/Apply/scale" {
			t.Errorf("the bounds are owned by %v, want the scaler alone", got)
		}
		_, err = server.client.PmV1alpha1().ClassDeployments("default").Patch(t.Context(), "applied", types.ApplyPatchType, []byte(deployment),
			metav1.PatchOptions{FieldManager: "author"})
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "scaler") {
			t.Errorf("error %v, want a conflict with the scaler", err)
		}
	})
	t.Run("the description names the kind once", func(t *testing.T) {
		body, err := server.raw(t).Get().AbsPath("/openapi/v3/apis/pm.oaas.io/v1alpha1").SetHeader("Accept", runtime.ContentTypeJSON).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), `"kind":"Scale","version":"v1"`) || strings.Contains(string(body), "__internal") {
			t.Error("the description does not have Scale as clients know it")
		}
	})
}
