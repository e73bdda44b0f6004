// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

const (
	// maxRenders is how many clusters are asked at a time for one request.
	maxRenders = 8
	// maxRendered bounds the manifests in one answer, in bytes.
	maxRendered = 32 << 20
)

// Clusters are asked what they would make of a unit. A *crmclient.Pool is one.
type Clusters interface {
	Render(ctx context.Context, cluster string, unit *deploymentv1.DeploymentUnit) (*deploymentv1.RenderDeploymentResponse, error)
}

// RenderREST serves the subresource render: what the clusters would make of a class
// deployment if it were planned now. It changes nothing, here and there.
type RenderREST struct {
	planning
	// scheme knows the declared rules of what is rendered.
	scheme *runtime.Scheme
	links  Clusters
}

var (
	_ rest.Getter         = (*RenderREST)(nil)
	_ rest.NamedCreater   = (*RenderREST)(nil)
	_ rest.Storage        = (*RenderREST)(nil)
	_ rest.TableConvertor = (*RenderREST)(nil)
)

// NewRender plans from what is stored of the three resources and asks the clusters.
// The scheme knows the declared rules of the resources.
func NewRender(scheme *runtime.Scheme, deployments, packages rest.Getter, clusters rest.Lister, links Clusters) *RenderREST {
	return &RenderREST{planning{deployments: deployments, packages: packages, clusters: clusters}, scheme, links}
}

// New makes an empty rendering.
func (*RenderREST) New() runtime.Object { return &pm.ClassDeploymentRendering{} }

// Destroy does nothing: the stores belong to their resources.
func (*RenderREST) Destroy() {}

// Get renders a class deployment as it is stored.
func (r *RenderREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	deployment, err := r.stored(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return r.render(ctx, deployment, nil)
}

// Create renders what the spec of the rendering holds. Where units run already is
// taken from the class deployment of the name, if it is there.
func (r *RenderREST) Create(
	ctx context.Context, name string, object runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions,
) (runtime.Object, error) {
	wanted, ok := object.(*pm.ClassDeploymentRendering)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("a ClassDeploymentRendering is needed, not a %T", object))
	}
	if validate != nil {
		if err := validate(ctx, object.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	namespace := genericapirequest.NamespaceValue(ctx)
	if problems := r.validate(ctx, wanted, namespace, name); len(problems) > 0 {
		return nil, apierrors.NewInvalid(pm.SchemeGroupVersion.WithKind("ClassDeploymentRendering").GroupKind(), name, problems)
	}
	deployment, err := r.stored(ctx, name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		deployment, err = &v1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, nil
	}
	if err != nil {
		return nil, err
	}
	deployment.Spec = v1alpha1.ClassDeploymentSpec{}
	if err := v1alpha1.Convert_pm_ClassDeploymentSpec_To_v1alpha1_ClassDeploymentSpec(&wanted.Spec.Deployment, &deployment.Spec, nil); err != nil {
		return nil, fmt.Errorf("converting the spec of class deployment %s: %w", name, err)
	}
	given := map[string]*v1alpha1.Package{}
	for i := range wanted.Spec.Packages {
		named := &wanted.Spec.Packages[i]
		pkg := &v1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: named.Name}}
		if err := v1alpha1.Convert_pm_PackageSpec_To_v1alpha1_PackageSpec(&named.Spec, &pkg.Spec, nil); err != nil {
			return nil, fmt.Errorf("converting package %s: %w", named.Name, err)
		}
		given[named.Name] = pkg
	}
	return r.render(ctx, deployment, given)
}

// render plans and asks the cluster of every unit, some at a time. What a cluster
// answers is the unit's own: one that is away takes nothing from the others.
func (r *RenderREST) render(ctx context.Context, deployment *v1alpha1.ClassDeployment, given map[string]*v1alpha1.Package) (runtime.Object, error) {
	in, err := r.input(ctx, deployment, given)
	if err != nil {
		return nil, err
	}
	made, err := planner.Make(in)
	if err != nil {
		return nil, fmt.Errorf("planning class deployment %s: %w", deployment.Name, err)
	}
	rendering := &pm.ClassDeploymentRendering{
		ObjectMeta: metav1.ObjectMeta{
			Name: deployment.Name, Namespace: deployment.Namespace, UID: deployment.UID, Generation: deployment.Generation,
			ResourceVersion: deployment.ResourceVersion, CreationTimestamp: deployment.CreationTimestamp,
		},
		Units: make([]pm.RenderedUnit, len(made.Units)),
	}
	for _, problem := range made.Problems {
		rendering.Problems = append(rendering.Problems, pm.PlanProblem{Reason: string(problem.Type), Message: problem.Message})
	}
	var left atomic.Int64
	left.Store(maxRendered)
	var running sync.WaitGroup
	room := make(chan struct{}, maxRenders)
	for i, unit := range made.Units {
		room <- struct{}{}
		running.Go(func() {
			rendering.Units[i] = r.renderUnit(ctx, unit, &left)
			<-room
		})
	}
	running.Wait()
	return rendering, nil
}

// renderUnit asks the cluster of a unit, as long as the answer has bytes left. A unit is
// rendered as a whole or not at all.
func (r *RenderREST) renderUnit(ctx context.Context, unit planner.Unit, left *atomic.Int64) pm.RenderedUnit {
	const full = "left out, because the answer is large: name fewer clusters in spec.targetClusters, or fewer environments"
	rendered := pm.RenderedUnit{Cluster: unit.Cluster, DeploymentID: unit.Content.GetId(), Environment: unit.Content.GetEnvironment()}
	if left.Load() <= 0 {
		rendered.Message = full
		return rendered
	}
	answer, err := r.links.Render(ctx, unit.Cluster, unit.Content)
	if err != nil {
		rendered.Message = err.Error()
		return rendered
	}
	size := int64(0)
	for _, manifest := range answer.GetManifests() {
		size += int64(len(manifest))
	}
	if left.Add(-size) < 0 {
		rendered.Message = full
		return rendered
	}
	rendered.Namespace, rendered.Template, rendered.Manifests = answer.GetNamespace(), answer.GetTemplate(), answer.GetManifests()
	for _, candidate := range answer.GetTemplateSelection().GetCandidates() {
		verdict := "cannot serve"
		if candidate.GetEligible() {
			verdict = fmt.Sprintf("score %d", candidate.GetScore())
		}
		if len(candidate.GetReasons()) > 0 {
			verdict += ": " + strings.Join(candidate.GetReasons(), "; ")
		}
		rendered.Reasons = append(rendered.Reasons, fmt.Sprintf("%s: %s", candidate.GetTemplate(), verdict))
	}
	return rendered
}

// ConvertToTable shows a rendering with a row for each unit.
func (*RenderREST) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	rendering, ok := object.(*pm.ClassDeploymentRendering)
	if !ok {
		return nil, fmt.Errorf("cannot show %T in a table of renderings", object)
	}
	table := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: rendering.ResourceVersion}}
	if opts, ok := options.(*metav1.TableOptions); !ok || !opts.NoHeaders {
		table.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Environment", Type: "string", Description: "Environment that the unit runs in."},
			{Name: "Cluster", Type: "string", Description: "Cluster that the unit is for."},
			{Name: "Template", Type: "string", Description: "Template that would be used."},
			{Name: "Objects", Type: "integer", Description: "Number of objects that would be applied."},
			{Name: "Message", Type: "string", Description: "Why there are none."},
		}
	}
	for _, unit := range rendering.Units {
		table.Rows = append(table.Rows, metav1.TableRow{
			Cells:  []any{unit.Environment, unit.Cluster, unit.Template, int64(len(unit.Manifests)), unit.Message},
			Object: runtime.RawExtension{Object: rendering},
		})
	}
	return table, nil
}
