// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"reflect"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/crm/children"
)

// late tells of every change one read after it happened.
type late struct {
	deploymentrecord.Children

	mu      sync.Mutex
	records map[types.NamespacedName]*v1alpha1.DeploymentRecord
	objects map[children.Key]*children.Object
}

func newLate(known deploymentrecord.Children) *late {
	return &late{Children: known, records: map[types.NamespacedName]*v1alpha1.DeploymentRecord{}, objects: map[children.Key]*children.Object{}}
}

func (l *late) intercept() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			record, ok := object.(*v1alpha1.DeploymentRecord)
			if !ok {
				return c.Get(ctx, key, object, options...)
			}
			err := c.Get(ctx, key, record, options...)
			if client.IgnoreNotFound(err) != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			before, now := l.records[key], record.DeepCopy()
			if err != nil {
				now = nil
			}
			l.records[key] = now
			switch {
			case before == nil && err == nil:
				return apierrors.NewNotFound(v1alpha1.SchemeGroupVersion.WithResource("deploymentrecords").GroupResource(), key.Name)
			case before == nil:
				return err
			}
			before.DeepCopyInto(record)
			return nil
		},
	}
}

// Get returns what the last call should have.
func (l *late) Get(kind schema.GroupVersionKind, name types.NamespacedName) *children.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := children.Key{Kind: kind.GroupKind(), NamespacedName: name}
	before := l.objects[key]
	l.objects[key] = l.Children.Get(kind, name)
	return before
}

// Of returns what Get did before.
func (l *late) Of(record types.NamespacedName) []*children.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	var objects []*children.Object
	for _, object := range l.objects {
		if object != nil && reflect.DeepEqual(types.NamespacedName{Namespace: object.Namespace, Name: object.Record()}, record) {
			objects = append(objects, object)
		}
	}
	return objects
}
