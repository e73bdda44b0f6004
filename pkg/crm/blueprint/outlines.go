// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// environmentsKept bounds the memory that environments take which nobody uses any more.
const environmentsKept = 1024

// outlines remember how records at rest were rendered, and from what. Rendering is most
// of what a pass over such a record costs, and gives the same as long as that is the
// same. Their content would take too much memory to be kept.
type outlines struct {
	mu      sync.Mutex
	records map[types.NamespacedName]*outline
	// environments, by name, and templates are what was last seen, so that those who
	// depend on it can share it.
	environments *lru.Cache
	templates    *versions
}

// versions are the resource versions of objects.
type versions map[types.UID]string

// outline is how a record was rendered, and what from: these stay the same objects as
// long as they are equal.
type outline struct {
	rendering *render.Rendering
	// record is the resource version of the record, its status included.
	record      string
	environment *v1alpha1.EnvironmentConfigSpec
	templates   *versions
	// served are the kinds that were asked for and whether the cluster served them.
	served map[schema.GroupKind]bool
}

func newOutlines() *outlines {
	return &outlines{records: map[types.NamespacedName]*outline{}, environments: lru.New(environmentsKept)}
}

// render returns the outline of a record for which nothing has changed, and has it
// rendered anew otherwise.
func (o *outlines) render(in *inputs, anew func(*inputs) (*render.Rendering, error)) (*render.Rendering, error) {
	key := client.ObjectKeyFromObject(in.record)
	known, now := o.look(key, in)
	if known != nil && known.environment == now.environment && known.templates == now.templates && known.record == now.record &&
		stillServed(known.served, in.kinds) {
		rendering := *known.rendering
		rendering.Selection = in.record.Status.TemplateSelection
		return &rendering, nil
	}
	now.served = map[schema.GroupKind]bool{}
	asking := *in
	asking.kinds = asked{in.kinds, now.served}
	rendering, err := anew(&asking)
	if err != nil || !lasting(in.record, rendering) {
		o.forget(key)
		return rendering, err
	}
	now.rendering = rendering.Outline()
	now.rendering.Selection = nil
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records[key] = now
	return rendering, nil
}

// look returns what is known of a record, and one to be that is made of what is so now.
func (o *outlines) look(key types.NamespacedName, in *inputs) (known, now *outline) {
	environment := in.environment.Spec
	// Who gets in is not how it runs.
	environment.Quotas = v1alpha1.Quotas{}
	templates := make(versions, len(in.templates))
	for i := range in.templates {
		templates[in.templates[i].UID] = in.templates[i].ResourceVersion
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	shared := &environment
	if last, ok := o.environments.Get(in.environment.Name); ok && equality.Semantic.DeepEqual(last, shared) {
		shared = last.(*v1alpha1.EnvironmentConfigSpec) //nolint:forcetypeassert // nothing else is in it
	} else {
		o.environments.Add(in.environment.Name, shared)
	}
	if o.templates == nil || !maps.Equal(*o.templates, templates) {
		o.templates = &templates
	}
	return o.records[key], &outline{record: in.record.ResourceVersion, environment: shared, templates: o.templates}
}

func (o *outlines) forget(record types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.records, record)
}

// lasting tells whether it is worth while to keep how a record was rendered. One on its
// way is written soon, and a data grid changes with what its nodes say.
func lasting(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) bool {
	return record.ResourceVersion != "" && rendering.Grid == nil &&
		record.Status.TemplateSelection != nil && rendering.Selection == record.Status.TemplateSelection
}

// asked notes what is asked for.
type asked struct {
	Kinds
	answers map[schema.GroupKind]bool
}

// Served asks and notes the answer.
func (a asked) Served(kind schema.GroupKind) bool {
	answer := a.Kinds.Served(kind)
	a.answers[kind] = answer
	return answer
}

func stillServed(answers map[schema.GroupKind]bool, kinds Kinds) bool {
	for kind, answer := range answers {
		if kinds.Served(kind) != answer {
			return false
		}
	}
	return true
}
