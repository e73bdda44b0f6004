// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/template"
)

// revisionsKept bounds the memory that former revisions of templates take.
const revisionsKept = 256

// compilation is the result of compiling a template; either may be nil.
type compilation struct {
	template *template.Template
	problem  error
}

// compiled remembers compiled templates, which cost much more to make than to use.
type compiled struct {
	mu sync.Mutex
	// newest are the present contents, by the template's UID.
	newest map[types.UID]present
	// former revisions, by hash.
	former *lru.Cache
}

type present struct {
	generation int64
	compilation
}

func newCompiled() *compiled {
	return &compiled{newest: map[types.UID]present{}, former: lru.New(revisionsKept)}
}

// present compiles the content that a template has now.
func (c *compiled) present(t *v1alpha1.DeploymentTemplate) compilation {
	c.mu.Lock()
	known, ok := c.newest[t.UID]
	c.mu.Unlock()
	if ok && known.generation == t.Generation {
		return known.compilation
	}
	made := compile(t.Name, t.Spec.DeepCopy())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest[t.UID] = present{t.Generation, made}
	return made
}

// revision compiles a former content of a template.
func (c *compiled) revision(name string, revision *v1alpha1.TemplateRevision) compilation {
	type key struct{ name, hash string }
	if known, ok := c.former.Get(key{name, revision.Hash}); ok {
		return known.(compilation) //nolint:forcetypeassert // nothing else is in it
	}
	made := compile(name, revision.Spec.DeepCopy())
	c.former.Add(key{name, revision.Hash}, made)
	return made
}

// keep forgets the templates that no longer exist.
func (c *compiled) keep(templates []v1alpha1.DeploymentTemplate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.newest) <= len(templates) {
		return
	}
	exists := make(map[types.UID]bool, len(templates))
	for i := range templates {
		exists[templates[i].UID] = true
	}
	for uid := range c.newest {
		if !exists[uid] {
			delete(c.newest, uid)
		}
	}
}

func compile(name string, spec *v1alpha1.DeploymentTemplateSpec) compilation {
	made, problems := template.Compile(name, spec)
	if len(problems) > 0 {
		return compilation{problem: problems.ToAggregate()}
	}
	return compilation{template: made}
}
