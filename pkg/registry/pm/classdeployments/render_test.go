// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// held are objects by name.
type held map[string]runtime.Object

func (h held) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	if object, ok := h[name]; ok {
		return object, nil
	}
	return nil, apierrors.NewNotFound(pm.Resource("things"), name)
}

type clusterList struct {
	rest.Lister
	*pm.ClusterList
}

func (c clusterList) List(context.Context, *internalversion.ListOptions) (runtime.Object, error) {
	return c.ClusterList, nil
}

// links answer with the image of the unit's function, except for the cluster away.
type links struct{}

func (links) Render(_ context.Context, cluster string, unit *deploymentv1.DeploymentUnit) (*deploymentv1.RenderDeploymentResponse, error) {
	if cluster == "away" {
		return nil, errors.New("cluster away: no link")
	}
	return &deploymentv1.RenderDeploymentResponse{
		Template: "deployment", Namespace: unit.GetNamespace(),
		TemplateSelection: &deploymentv1.TemplateSelection{Candidates: []*deploymentv1.TemplateCandidate{
			{Template: "deployment", Eligible: true, Score: 5, Reasons: []string{"always fits"}}, {Template: "job"},
		}},
		Manifests: []string{"image: " + unit.GetFunctionContainers()[0].GetImage()},
	}, nil
}

func shop(image string) pm.PackageSpec {
	return pm.PackageSpec{
		Classes: []pm.ClassDefinition{{Key: "Cart", FunctionBindings: []pm.FunctionBinding{{Name: "add", FunctionKey: "items", AccessModifier: pm.AccessPublic}}}},
		Functions: []pm.FunctionDefinition{{
			Key: "items", Type: pm.FunctionCustom, Provision: &pm.FunctionProvision{Image: image, Port: 8080},
		}},
	}
}

func scene() (*RenderREST, pm.ClassDeploymentSpec) {
	spec := pm.ClassDeploymentSpec{PackageName: "shop", ClassKey: "Cart", TargetEnvironments: []string{"edge", "prod"}}
	meta := metav1.ObjectMeta{Namespace: "team", Name: "cart"}
	clusters := &pm.ClusterList{}
	for name, environment := range map[string]string{"north": "prod", "away": "edge"} {
		clusters.Items = append(clusters.Items, pm.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: pm.ClusterSpec{Environments: []string{environment}},
			Status: pm.ClusterStatus{Health: pm.ClusterHealthy},
		})
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return NewRender(
		scheme,
		held{"cart": &pm.ClassDeployment{ObjectMeta: meta, Spec: spec}},
		held{"shop": &pm.Package{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop"}, Spec: shop("r/items:1")}},
		clusterList{ClusterList: clusters}, links{},
	), spec
}

func manifestsOf(object runtime.Object) []string {
	var all []string
	for _, unit := range object.(*pm.ClassDeploymentRendering).Units {
		all = append(all, unit.Environment+" on "+unit.Cluster+": "+strings.Join(append(slices.Clone(unit.Manifests), unit.Message), ""))
	}
	return all
}

func TestARenderingIsThatOfEveryCluster(t *testing.T) {
	r, _ := scene()
	got, err := r.Get(t.Context(), "cart", &metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"edge on away: cluster away: no link", "prod on north: image: r/items:1"}, manifestsOf(got)); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	unit := got.(*pm.ClassDeploymentRendering).Units[1]
	if diff := cmp.Diff([]string{"deployment: score 5: always fits", "job: cannot serve"}, unit.Reasons); diff != "" || unit.Namespace != "team" {
		t.Errorf("namespace %q, reasons (-want +got):\n%s", unit.Namespace, diff)
	}
	if _, err := r.Get(t.Context(), "nobody", &metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the rendering of nothing gives %v, want not found", err)
	}
}

// verbose answers with a mebibyte for each unit.
type verbose struct{ asked atomic.Int32 }

func (v *verbose) Render(context.Context, string, *deploymentv1.DeploymentUnit) (*deploymentv1.RenderDeploymentResponse, error) {
	v.asked.Add(1)
	return &deploymentv1.RenderDeploymentResponse{Manifests: []string{strings.Repeat("x", 1<<19), strings.Repeat("y", 1<<19)}}, nil
}

// Whoever may read a deployment may ask what hundreds of clusters would make of it, and
// each may answer with megabytes.
func TestARenderingHoldsNoMoreThanTheServerHasRoomFor(t *testing.T) {
	const clusters, mebibytes = 200, maxRendered >> 20
	spec := pm.ClassDeploymentSpec{PackageName: "shop", ClassKey: "Cart"}
	all := &pm.ClusterList{}
	for i := range clusters {
		name := fmt.Sprintf("c%03d", i)
		spec.TargetClusters = append(spec.TargetClusters, name)
		all.Items = append(all.Items, pm.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: pm.ClusterStatus{Health: pm.ClusterHealthy}})
	}
	r, _ := scene()
	asked := &verbose{}
	r.deployments = held{"cart": &pm.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "cart"}, Spec: spec}}
	r.clusters, r.links = clusterList{ClusterList: all}, asked
	got, err := r.Get(t.Context(), "cart", &metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, unit := range got.(*pm.ClassDeploymentRendering).Units {
		switch {
		case len(unit.Manifests) == 2:
			whole++
		case len(unit.Manifests) > 0 || !strings.Contains(unit.Message, "spec.targetClusters"):
			t.Errorf("the unit on %s has %d objects and says %q, want all or none and what to do", unit.Cluster, len(unit.Manifests), unit.Message)
		}
	}
	if whole != mebibytes || asked.asked.Load() > mebibytes+maxRenders {
		t.Errorf("%d units are rendered after %d questions, want %d", whole, asked.asked.Load(), mebibytes)
	}
}

func TestARenderingTakesWhatItIsGiven(t *testing.T) {
	r, spec := scene()
	ctx := genericapirequest.WithNamespace(t.Context(), "team")
	spec.TargetEnvironments, spec.DeletionPolicy = []string{"prod"}, pm.DeletionDelete
	for sentence, test := range map[string]struct {
		name string
		spec *pm.RenderingSpec
		want []string
		// invalid is a field that is refused.
		invalid string
	}{
		"another spec of what is stored": {name: "cart", spec: &pm.RenderingSpec{Deployment: spec}, want: []string{"prod on north: image: r/items:1"}},
		"what is not stored at all":      {name: "new", spec: &pm.RenderingSpec{Deployment: spec}, want: []string{"prod on north: image: r/items:1"}},
		"another package": {
			name: "cart", spec: &pm.RenderingSpec{Deployment: spec, Packages: []pm.NamedPackage{{Name: "shop", Spec: shop("r/items:2")}}},
			want: []string{"prod on north: image: r/items:2"},
		},
		"nothing":                    {name: "cart", invalid: "spec"},
		"a deployment that is wrong": {name: "cart", spec: &pm.RenderingSpec{}, invalid: "spec.deployment.packageName"},
		"a package that is wrong": {
			name: "cart", spec: &pm.RenderingSpec{Deployment: spec, Packages: []pm.NamedPackage{{Name: "shop", Spec: shop("A B")}}},
			invalid: "spec.packages[0].spec.functions[0].provision.image",
		},
		"a package without a name": {
			name: "cart", spec: &pm.RenderingSpec{Deployment: spec, Packages: []pm.NamedPackage{{Spec: shop("r/items:2")}}},
			invalid: "spec.packages[0].name",
		},
		"a package that is given twice": {
			name: "cart", spec: &pm.RenderingSpec{Deployment: spec, Packages: []pm.NamedPackage{{Name: "shop", Spec: shop("r/i:2")}, {Name: "shop", Spec: shop("r/i:3")}}},
			invalid: "spec.packages[1].name",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := r.Create(ctx, test.name, &pm.ClassDeploymentRendering{Spec: test.spec}, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
			if test.invalid != "" {
				if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.invalid) {
					t.Errorf("err = %v, want %s refused", err, test.invalid)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, manifestsOf(got)); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
		})
	}
}

// TestARenderingObeysTheRulesOfACreate holds that what could not be stored is not
// rendered, for rules that the fields declare.
func TestARenderingObeysTheRulesOfACreate(t *testing.T) {
	r, good := scene()
	// A request for the subresource, as the server gets it.
	ctx := genericapirequest.WithRequestInfo(genericapirequest.WithNamespace(t.Context(), "team"), &genericapirequest.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: pm.GroupName, APIVersion: "v1alpha1", Resource: "classdeployments", Subresource: "render", Name: "cart",
	})
	good.DeletionPolicy = pm.DeletionDelete
	for sentence, test := range map[string]struct {
		deployment func(*pm.ClassDeploymentSpec)
		pkg        func(*pm.PackageSpec)
		want       []string
	}{
		"a good one is rendered": {},
		"no class":               {deployment: func(s *pm.ClassDeploymentSpec) { s.ClassKey = "" }, want: []string{"spec.deployment.classKey"}},
		"a word that is not known": {
			deployment: func(s *pm.ClassDeploymentSpec) { s.DeletionPolicy = "Perhaps" }, want: []string{"spec.deployment.deletionPolicy"},
		},
		"an environment twice": {
			deployment: func(s *pm.ClassDeploymentSpec) { s.TargetEnvironments = []string{"prod", "prod"} }, want: []string{"spec.deployment.targetEnvironments[1]"},
		},
		"a package of a class without a key": {
			pkg:  func(s *pm.PackageSpec) { s.Classes = append(s.Classes, pm.ClassDefinition{}) },
			want: []string{"spec.packages[0].spec.classes[1].functionBindings", "spec.packages[0].spec.classes[1].key"},
		},
		"declared rules and others at once": {
			deployment: func(s *pm.ClassDeploymentSpec) { s.DeletionPolicy, s.PackageName = "Perhaps", "" },
			want:       []string{"spec.deployment.deletionPolicy", "spec.deployment.packageName"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			spec := &pm.RenderingSpec{Deployment: *good.DeepCopy(), Packages: []pm.NamedPackage{{Name: "shop", Spec: shop("r/items:1")}}}
			if test.deployment != nil {
				test.deployment(&spec.Deployment)
			}
			if test.pkg != nil {
				test.pkg(&spec.Packages[0].Spec)
			}
			before := spec.DeepCopy()
			_, err := r.Create(ctx, "cart", &pm.ClassDeploymentRendering{Spec: spec}, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var got []string
			if refused, ok := errors.AsType[*apierrors.StatusError](err); ok && apierrors.IsInvalid(err) {
				for _, cause := range refused.ErrStatus.Details.Causes {
					got = append(got, cause.Field)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fields that are refused (-want +got):\n%s\n%v", diff, err)
			}
			if diff := cmp.Diff(before, spec); diff != "" {
				t.Errorf("what was asked for was changed:\n%s", diff)
			}
		})
	}
}
