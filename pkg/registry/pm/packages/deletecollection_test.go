// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
)

func (s *scene) left() string {
	s.Helper()
	obj, err := s.one.List(s.ctx(), &internalversion.ListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	var names []string
	for _, p := range obj.(*pm.PackageList).Items {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func (s *scene) deleteAll(options *metav1.DeleteOptions, selection *internalversion.ListOptions) ([]string, error) {
	obj, err := s.one.DeleteCollection(s.ctx(), rest.ValidateAllObjectFunc, options, selection)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range obj.(*pm.PackageList).Items {
		names = append(names, p.Name)
	}
	return names, nil
}

func TestACollectionGoesWhateverItsOrder(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("z", "1", "b"), pkg("a", "1", "z"), pkg("m", "1", "a", "b"), pkg("alone", "1"))
	names, err := s.deleteAll(&metav1.DeleteOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "alone", "b", "m", "z"}, names); diff != "" {
		t.Errorf("the answer differs (-want +got):\n%s", diff)
	}
	if left := s.left(); left != "" {
		t.Errorf("%s are left", left)
	}
}

func TestACollectionGoesOnAfterARefusal(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("base", "1"), pkg("used", "1", "base"), pkg("p", "1"), pkg("top", "1", "p"), pkg("zz", "1"))
	s.deployments.all = []*pm.ClassDeployment{deployment("foreign", metav1.OwnerReference{UID: "another"})}
	waiting := pkg("waiting", "1", "used")
	waiting.Finalizers = []string{"example.com/wait"}
	s.mustCreate(waiting)

	_, err := s.deleteAll(&metav1.DeleteOptions{}, nil)
	expectError(t, err, "Conflict", "3 packages were not deleted", "foreign", "waiting", "used")
	if status := err.(apierrors.APIStatus).Status(); len(status.Details.Causes) != 3 {
		t.Errorf("got the causes %+v, want one for each package", status.Details.Causes)
	}
	if left := s.left(); left != "base p used waiting" {
		t.Errorf("%s are left, want only what has to stay", left)
	}
	// The next round gets further, as when a namespace is deleted.
	expectError(t, s.update("waiting", func(p *pm.Package) { p.Finalizers = nil }), "")
	s.deployments.all = nil
	_, err = s.deleteAll(&metav1.DeleteOptions{}, nil)
	expectError(t, err, "")
	if left := s.left(); left != "" {
		t.Errorf("%s are left", left)
	}
}

func TestACollectionHoldsItsSelection(t *testing.T) {
	s := newScene(t)
	for i := range 6 {
		p := pkg(fmt.Sprint("p", i), "1")
		p.Labels = map[string]string{"odd": fmt.Sprint(i%2 == 1)}
		s.mustCreate(p)
	}
	odd := &internalversion.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{"odd": "true"})}
	names, err := s.deleteAll(&metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}, odd)
	expectError(t, err, "")
	if diff := cmp.Diff([]string{"p1", "p3", "p5"}, names); diff != "" || s.left() != "p0 p1 p2 p3 p4 p5" {
		t.Errorf("a dry run left %s and answered (-want +got):\n%s", s.left(), diff)
	}
	_, err = s.deleteAll(&metav1.DeleteOptions{}, odd)
	expectError(t, err, "")
	if left := s.left(); left != "p0 p2 p4" {
		t.Errorf("%s are left", left)
	}
	_, err = s.deleteAll(&metav1.DeleteOptions{}, &internalversion.ListOptions{Limit: 2})
	expectError(t, err, "")
	if left := s.left(); left != "p4" {
		t.Errorf("%s are left of a page of two", left)
	}
}

func TestACollectionIsReadInPages(t *testing.T) {
	s := newScene(t)
	for i := range deletionPage + 20 {
		s.mustCreate(pkg(fmt.Sprintf("p%04d", i), "1"))
	}
	_, err := s.deleteAll(&metav1.DeleteOptions{}, nil)
	expectError(t, err, "")
	if left := s.left(); left != "" {
		t.Errorf("%s are left", left)
	}
}

func TestManyRefusalsFitOneAnswer(t *testing.T) {
	s := newScene(t)
	for i := range 20 {
		s.mustCreate(pkg(fmt.Sprintf("p%02d", i), "1"))
	}
	broken := errors.New("broken")
	tried := []string{}
	_, err := s.one.DeleteCollection(s.ctx(), func(_ context.Context, obj runtime.Object) error {
		tried = append(tried, obj.(*pm.Package).Name)
		return broken
	}, &metav1.DeleteOptions{}, nil)
	expectError(t, err, "InternalError", "20 packages were not deleted", "12 more packages were refused too")
	if slices.Sort(tried); len(slices.Compact(tried)) != 20 {
		t.Errorf("only %v were tried", tried)
	}
}
