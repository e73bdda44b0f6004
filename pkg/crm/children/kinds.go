// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// definitionResource is where definitions of further kinds are kept.
var definitionResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// NotServedError says that the cluster does not serve a kind, or not in the version
// that was asked for.
type NotServedError struct {
	Kind schema.GroupVersionKind
	// ServedAs is a version that the cluster serves the kind in, and with it the same
	// objects; empty where it serves none.
	ServedAs string
}

// Error names the kind and the remedy.
func (e *NotServedError) Error() string {
	if e.ServedAs != "" {
		return fmt.Sprintf("the cluster serves %s in version %s and not in %s: let the template use that or choose another",
			e.Kind.Kind, e.ServedAs, e.Kind.GroupVersion())
	}
	return fmt.Sprintf("the cluster does not serve %s in %s: install it or choose another template", e.Kind.Kind, e.Kind.GroupVersion())
}

// ClusterScopedError says that a kind has no namespace, so that a record, which
// has one, cannot own objects of it.
type ClusterScopedError struct {
	Kind schema.GroupVersionKind
}

// Error names the kind.
func (e *ClusterScopedError) Error() string {
	return fmt.Sprintf("%s in %s is not namespaced: a record makes objects in its own namespace only", e.Kind.Kind, e.Kind.GroupVersion())
}

// final tells an error that says what the cluster serves from one that says that this
// could not be found out.
func final(err error) bool {
	_, notServed := errors.AsType[*NotServedError](err)
	_, clusterScoped := errors.AsType[*ClusterScopedError](err)
	return notServed || clusterScoped
}

// metadataOnly are kinds whose status tells nothing about a record. Their metadata
// is enough to know that they are there and unchanged.
var metadataOnly = []schema.GroupKind{
	{Kind: "Service"}, {Kind: "ConfigMap"}, {Kind: "Secret"}, {Kind: "ServiceAccount"}, {Kind: "PersistentVolumeClaim"},
	{Group: "policy", Kind: "PodDisruptionBudget"},
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}, {Group: "networking.k8s.io", Kind: "Ingress"},
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}, {Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
}

// unknownFor is how long a kind that the API server did not have counts as such.
const unknownFor = 5 * time.Minute

// definition is what counts of a CustomResourceDefinition.
type definition struct {
	metav1.ObjectMeta
	kind       schema.GroupKind
	plural     string
	versions   []string
	namespaced bool
	// served definitions are established and not on their way out.
	served bool
}

// kinds knows which kinds the cluster serves at the moment.
type kinds struct {
	mapper meta.RESTMapper
	clock  clock.PassiveClock

	mu sync.RWMutex
	// unknown are kinds that the API server did not have by itself when it was last
	// asked: the mapper would ask it again each time. The empty version stands for any;
	// a kind without one version may well have another.
	unknown map[schema.GroupVersionKind]time.Time
	// defined are the kinds that definitions brought or took: a kind stays here,
	// not served, after its definition left, because the mapper may still know it.
	defined map[schema.GroupKind]*definition
}

func newKinds(mapper meta.RESTMapper, clock clock.PassiveClock) *kinds {
	return &kinds{
		mapper: mapper, clock: clock,
		defined: map[schema.GroupKind]*definition{}, unknown: map[schema.GroupVersionKind]time.Time{},
	}
}

// mapping asks the API server about a kind that no definition tells of. What it does
// not have now it gets with a definition, or, from an aggregated API, seldom enough
// to be asked again after a while only. The empty version is any.
func (k *kinds) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	var versions []string
	if gvk.Version != "" {
		versions = []string{gvk.Version}
	}
	k.mu.RLock()
	asked, unknown := k.unknown[gvk]
	k.mu.RUnlock()
	if unknown && k.clock.Since(asked) < unknownFor {
		return nil, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: versions}
	}
	mapping, err := k.mapper.RESTMapping(gvk.GroupKind(), versions...)
	k.mu.Lock()
	defer k.mu.Unlock()
	if meta.IsNoMatchError(err) {
		k.unknown[gvk] = k.clock.Now()
	} else if unknown {
		delete(k.unknown, gvk)
	}
	return mapping, err
}

// set takes note of a definition and tells whether that changes what is served.
func (k *kinds) set(d *definition) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.defined[d.kind]
	k.defined[d.kind] = d
	return known == nil || known.served != d.served || known.plural != d.plural || !slices.Equal(known.versions, d.versions)
}

// gone takes note that a definition left.
func (k *kinds) gone(d *definition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Another definition may have taken the kind over.
	if known := k.defined[d.kind]; known == nil || known.UID == d.UID {
		k.defined[d.kind] = &definition{ObjectMeta: d.ObjectMeta, kind: d.kind}
	}
}

// resource returns where objects of a kind are kept, a NotServedError or
// ClusterScopedError if it has no place for children, or another error if that
// cannot be told at the moment.
func (k *kinds) resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	k.mu.RLock()
	defined := k.defined[gvk.GroupKind()]
	k.mu.RUnlock()
	if defined != nil {
		switch {
		case !defined.served || len(defined.versions) == 0:
			return schema.GroupVersionResource{}, &NotServedError{Kind: gvk}
		case !slices.Contains(defined.versions, gvk.Version):
			return schema.GroupVersionResource{}, &NotServedError{Kind: gvk, ServedAs: defined.versions[0]}
		case !defined.namespaced:
			return schema.GroupVersionResource{}, &ClusterScopedError{Kind: gvk}
		}
		return gvk.GroupVersion().WithResource(defined.plural), nil
	}
	mapping, err := k.mapping(gvk)
	if meta.IsNoMatchError(err) {
		notServed := &NotServedError{Kind: gvk}
		if mapping, err = k.mapping(gvk.GroupKind().WithVersion("")); err == nil {
			notServed.ServedAs = mapping.GroupVersionKind.Version
		}
		if err == nil || meta.IsNoMatchError(err) {
			err = notServed
		}
	}
	_, notServed := errors.AsType[*NotServedError](err)
	switch {
	case notServed:
		return schema.GroupVersionResource{}, err
	case err != nil:
		return schema.GroupVersionResource{}, fmt.Errorf("find out whether the cluster serves %s: %w", gvk, err)
	case mapping.Scope.Name() != meta.RESTScopeNameNamespace:
		return schema.GroupVersionResource{}, &ClusterScopedError{Kind: gvk}
	}
	return mapping.Resource, nil
}

// served tells whether the cluster serves any version of a kind.
func (k *kinds) served(kind schema.GroupKind) bool {
	k.mu.RLock()
	defined := k.defined[kind]
	k.mu.RUnlock()
	if defined != nil {
		return defined.served
	}
	_, err := k.mapping(kind.WithVersion(""))
	return err == nil
}

// trimDefinition keeps of a definition what counts, which is a thousandth of it.
func trimDefinition(received any) (any, error) {
	full, ok := received.(*unstructured.Unstructured)
	if !ok {
		return received, nil
	}
	text := func(path ...string) string {
		value, _, _ := unstructured.NestedString(full.Object, path...)
		return value
	}
	established, _ := condition(full, "Established")
	d := &definition{
		ObjectMeta: metav1.ObjectMeta{Name: full.GetName(), UID: full.GetUID(), ResourceVersion: full.GetResourceVersion()},
		kind:       schema.GroupKind{Group: text("spec", "group"), Kind: text("spec", "names", "kind")},
		plural:     text("spec", "names", "plural"),
		namespaced: text("spec", "scope") == "Namespaced",
		served:     established == "True" && full.GetDeletionTimestamp() == nil,
	}
	versions, _, _ := unstructured.NestedFieldNoCopy(full.Object, "spec", "versions")
	list, _ := versions.([]any)
	for _, version := range list {
		if version, ok := version.(map[string]any); ok && version["served"] == true {
			if name, ok := version["name"].(string); ok {
				d.versions = append(d.versions, name)
			}
		}
	}
	return d, nil
}

// definitionOf unpacks what an informer tells of.
func definitionOf(told any) (*definition, bool) {
	if last, ok := told.(cache.DeletedFinalStateUnknown); ok {
		told = last.Obj
	}
	d, ok := told.(*definition)
	return d, ok
}
