// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"path"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"

	"oaas.io/oaas/pkg/apis/pm"
)

const (
	// noticesFolder is where notices are in etcd, beside the packages.
	noticesFolder = "/packagenotices"

	// requestWithin bounds one write of a package. It is what Kubernetes allows a
	// request.
	requestWithin = time.Minute
	// noticeLife is after how long etcd forgets a notice that nobody withdrew. It
	// exceeds requestWithin, so that no write goes on that others no longer know of.
	noticeLife = 2 * time.Minute
)

// concern is what a notice is about.
type concern string

const (
	// needing is the concern of a write that makes a package need others. The notice
	// has the name of that package, and of its spec what it is about to need.
	needing concern = "needs"
	// taking is the concern of a write that takes away what others may need: the
	// package that has the name of the notice, its version or some of its functions.
	taking concern = "takes"
)

// Notices are what writes of packages under way tell each other, through etcd and
// therefore between any number of servers. Each is a small object of its own: those
// who write do not wait for each other.
//
// A notice is withdrawn when its write has ended. That of a server that died ends by
// itself.
type Notices struct {
	storage storage.Interface
	destroy factory.DestroyFunc
	life    time.Duration
}

// OpenNotices opens the notices in the etcd of the packages. They have no watch
// cache: who looks must see what is there.
func OpenNotices(getter generic.RESTOptionsGetter) (*Notices, error) {
	options, err := getter.GetRESTOptions(pm.Resource("packages"), &pm.Package{})
	if err != nil {
		return nil, fmt.Errorf("find where packages are stored: %w", err)
	}
	opened, destroy, err := generic.NewRawStorage(options.StorageConfig,
		func() runtime.Object { return &pm.Package{} }, func() runtime.Object { return &pm.PackageList{} }, noticesFolder)
	if err != nil {
		return nil, fmt.Errorf("open the notices of packages: %w", err)
	}
	return &Notices{storage: opened, destroy: destroy, life: noticeLife}, nil
}

// Destroy closes the connections.
func (n *Notices) Destroy() { n.destroy() }

// notice is one that was posted, or may have been.
type notice struct {
	key     string
	content *pm.Package
	// stored is as etcd has it; nil for one of which that is not known.
	stored *pm.Package
}

// newNotice thinks of a place for a notice, and gives it an identity.
func newNotice(about concern, content *pm.Package) *notice {
	content.UID = uuid.NewUUID()
	return &notice{key: noticesOf(content.Namespace, about) + string(content.UID), content: content}
}

func noticesOf(namespace string, about concern) string {
	return path.Join(noticesFolder, namespace, string(about)) + "/"
}

// post makes a notice known to all who look from now on.
func (n *Notices) post(ctx context.Context, at *notice) error {
	stored := &pm.Package{}
	if err := n.storage.Create(ctx, at.key, at.content, stored, uint64(n.life.Seconds())); err != nil {
		return fmt.Errorf("post what is about to happen to package %q: %w", at.content.Name, err)
	}
	at.stored = stored
	return nil
}

// withdraw takes a notice away. One that is gone is no error.
func (n *Notices) withdraw(ctx context.Context, at *notice) error {
	var known runtime.Object
	if at.stored != nil {
		known = at.stored
	}
	err := n.storage.Delete(ctx, at.key, &pm.Package{}, nil, rest.ValidateAllObjectFunc, known, storage.DeleteOptions{})
	if err != nil && !storage.IsNotFound(err) {
		return fmt.Errorf("withdraw the notice %s: %w", at.key, err)
	}
	return nil
}

// standing are the notices of a namespace, and the revision of etcd at which they
// stand.
func (n *Notices) standing(ctx context.Context, namespace string, about concern) (all []pm.Package, revision string, err error) {
	list := &pm.PackageList{}
	err = n.storage.GetList(ctx, noticesOf(namespace, about), storage.ListOptions{Predicate: storage.Everything, Recursive: true}, list)
	if err != nil {
		return nil, "", fmt.Errorf("look for writes of packages that are under way: %w", err)
	}
	return list.Items, list.ResourceVersion, nil
}

// draft is what a notice tells of a package that is about to need others: nothing
// but that.
func draft(p *pm.Package, needs map[string]need) *pm.Package {
	d := &pm.Package{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}}
	for _, dependency := range p.Spec.Dependencies {
		if _, needed := needs[dependency.Name]; needed {
			d.Spec.Dependencies = append(d.Spec.Dependencies, dependency)
		}
	}
	var bound []pm.FunctionBinding
	for binding := range boundElsewhere(p) {
		if _, needed := needs[binding.pkg]; needed {
			bound = append(bound, pm.FunctionBinding{FunctionKey: binding.key})
		}
	}
	if len(bound) > 0 {
		d.Spec.Classes = []pm.ClassDefinition{{FunctionBindings: bound}}
	}
	return d
}
