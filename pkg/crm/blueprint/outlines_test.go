// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render"
)

var autoscaler = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}

// servedKinds are the kinds that a cluster serves.
type servedKinds map[schema.GroupKind]bool

func (s servedKinds) Served(kind schema.GroupKind) bool { return s[kind] }

// scene is one record and all that decides how it runs.
type scene struct {
	outlines *outlines
	in       inputs
	// grid is what the record is rendered with.
	grid *odgm.Grid
	// fails is what rendering fails with.
	fails error
	// turns is how often the record was rendered.
	turns int
}

func newScene() *scene {
	record := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", ResourceVersion: "7"}}
	record.Status.TemplateSelection = &v1alpha1.TemplateSelection{}
	return &scene{outlines: newOutlines(), in: inputs{
		record:      record,
		environment: environment.Resolve("prod", nil, environment.Defaults{}),
		templates: []v1alpha1.DeploymentTemplate{
			{ObjectMeta: metav1.ObjectMeta{Name: "deployment", UID: "d", ResourceVersion: "1"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "knative", UID: "k", ResourceVersion: "2"}},
		},
		kinds: servedKinds{autoscaler: true},
	}}
}

// look renders the record and tells whether the content of its objects is there.
func (s *scene) look() (*render.Rendering, bool) {
	rendering, err := s.outlines.render(&s.in, func(in *inputs) (*render.Rendering, error) {
		s.turns++
		in.kinds.Served(autoscaler)
		intent := &unstructured.Unstructured{}
		intent.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
		intent.SetName("cart-add")
		intent.SetAnnotations(map[string]string{v1alpha1.AnnotationSpecHash: "h"})
		return &render.Rendering{
			Template: "deployment", Objects: []render.Object{render.ObjectOf(intent)}, Grid: s.grid, Selection: in.record.Status.TemplateSelection,
		}, s.fails
	})
	if err != nil {
		return nil, false
	}
	return rendering, rendering.Objects[0].Intent != nil
}

func TestARecordIsRenderedAnewWhenWhatDecidesAboutItChanges(t *testing.T) {
	cases := map[string]struct {
		change func(*scene)
		anew   bool
	}{
		"nothing changes":                      {func(*scene) {}, false},
		"the record changes, or its status":    {func(s *scene) { s.in.record.ResourceVersion = "8" }, true},
		"a template changes":                   {func(s *scene) { s.in.templates[1].ResourceVersion = "3" }, true},
		"a template goes":                      {func(s *scene) { s.in.templates = s.in.templates[:1] }, true},
		"another template takes the name":      {func(s *scene) { s.in.templates[0].UID = "e" }, true},
		"the cluster serves a kind no longer":  {func(s *scene) { s.in.kinds = servedKinds{} }, true},
		"the cluster serves another kind":      {func(s *scene) { s.in.kinds = servedKinds{autoscaler: true, {Kind: "Other"}: true} }, false},
		"the environment has other quotas":     {func(s *scene) { s.in.environment.Spec.Quotas.Deployments = ptr.To[int32](1) }, false},
		"the environment has another protocol": {func(s *scene) { s.in.environment.Spec.Telemetry.Protocol = "http/protobuf" }, true},
		"the record is forgotten":              {func(s *scene) { s.outlines.forget(client.ObjectKeyFromObject(s.in.record)) }, true},
		"another record is forgotten":          {func(s *scene) { s.outlines.forget(types.NamespacedName{Namespace: "shop", Name: "else"}) }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			if _, full := s.look(); !full {
				t.Fatal("the first look has no content of the objects")
			}
			tc.change(s)
			rendering, full := s.look()
			if full != tc.anew || (s.turns == 2) != tc.anew {
				t.Errorf("rendered %d times, with content at last: %t; want it anew: %t", s.turns, full, tc.anew)
			}
			object := rendering.Objects[0]
			if rendering.Template != "deployment" || object.Name != "cart-add" || object.ContentHash() != "h" || rendering.Selection != s.in.record.Status.TemplateSelection {
				t.Errorf("rendering = %+v, want the same as before", rendering)
			}
		})
	}
}

func TestAWayBackIsRenderedAnewToo(t *testing.T) {
	s := newScene()
	s.look()
	s.in.environment.Spec.Telemetry.Protocol = "http/protobuf"
	s.look()
	s.in.environment.Spec.Telemetry.Protocol = "grpc"
	if _, full := s.look(); !full {
		t.Error("what was rendered for another environment was taken for that of this one")
	}
}

func TestOnlyWhatLastsIsKept(t *testing.T) {
	cases := map[string]func(*scene){
		"a record that does not exist":            func(s *scene) { s.in.record.ResourceVersion = "" },
		"a record whose choice is not in status":  func(s *scene) { s.in.record.Status.TemplateSelection = nil },
		"a record with a data grid":               func(s *scene) { s.grid = &odgm.Grid{} },
		"a record that could not be rendered yet": func(s *scene) { s.fails = errors.New("no") },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			change(s)
			s.look()
			if len(s.outlines.records) != 0 {
				t.Errorf("kept: %v, want nothing", s.outlines.records)
			}
			s.fails = nil
			if _, full := s.look(); !full {
				t.Error("the second look has no content of the objects")
			}
		})
	}
}
