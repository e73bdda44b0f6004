// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func watchOfParts(s probe) {
	const namespace = "watched"
	packages := s.client.PmV1alpha1().Packages(namespace)
	watched := s.watchClasses(namespace, metav1.ListOptions{})
	p := must(packages.Create(s.Context(), packageOf(namespace, "p", "B", "A"), metav1.CreateOptions{}))(s.T)
	watched.want("ADDED p.A", "ADDED p.B")

	p.Spec.Classes = []v1alpha1.ClassDefinition{classOf("C"), classOf("A")}
	p.Spec.Classes[1].Description = "changed"
	p = must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	watched.want("MODIFIED p.A", "DELETED p.B", "ADDED p.C")

	p.Spec.Version = "2.0"
	p = must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	watched.want("MODIFIED p.A", "MODIFIED p.C")

	// Neither a status nor an annotation is a class's.
	p.Status.Deployments = []string{"x"}
	p = must(packages.UpdateStatus(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	p.Annotations = map[string]string{"a": "b"}
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)

	if err := packages.Delete(s.Context(), "p", metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	watched.want("DELETED p.A", "DELETED p.C")
	if !slices.IsSorted(watched.versions) || len(slices.Compact(slices.Clone(watched.versions))) != len(watched.versions) {
		s.Errorf("the versions of the events are not unique and ascending: %v", watched.versions)
	}
}

func watchThroughSelectors(s probe) {
	const namespace = "through"
	packages := s.client.PmV1alpha1().Packages(namespace)
	p := must(packages.Create(s.Context(), packageOf(namespace, "p", "A", "B"), metav1.CreateOptions{}))(s.T)
	disabled := s.watchClasses(namespace, metav1.ListOptions{FieldSelector: "spec.disabled=true"})
	labelled := s.watchClasses(namespace, metav1.ListOptions{LabelSelector: "team=a"})
	one := s.watchClasses(namespace, metav1.ListOptions{FieldSelector: "metadata.name=p.B"})
	other := s.watchClasses("another", metav1.ListOptions{})
	one.want("ADDED p.B")

	p.Spec.Classes[0].Disabled = true
	p.Labels = map[string]string{"team": "a"}
	p = must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	disabled.want("ADDED p.A")
	labelled.want("ADDED p.A", "ADDED p.B")
	one.want("MODIFIED p.B")

	p.Spec.Classes[0].Disabled = false
	p.Labels = nil
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	disabled.want("DELETED p.A")
	labelled.want("DELETED p.A", "DELETED p.B")
	one.want("MODIFIED p.B")
	must(s.client.PmV1alpha1().Packages("another").Create(s.Context(), packageOf("another", "p", "Z"), metav1.CreateOptions{}))(s.T)
	other.want("ADDED p.Z")
}

func watchResumesWithinAWrite(s probe) {
	const namespace = "within"
	list := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), metav1.ListOptions{}))(s.T)
	watched := s.watchClasses(namespace, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), packageOf(namespace, "p", "A", "B", "C", "D"), metav1.CreateOptions{}))(s.T)
	watched.want("ADDED p.A", "ADDED p.B", "ADDED p.C", "ADDED p.D")
	resumed := s.watchClasses(namespace, metav1.ListOptions{ResourceVersion: fmt.Sprint(watched.versions[1])})
	resumed.want("ADDED p.C", "ADDED p.D")
}

func streamedList(s probe) {
	const namespace = "streamed"
	packages := s.client.PmV1alpha1().Packages(namespace)
	must(packages.Create(s.Context(), packageOf(namespace, "p", "A", "B"), metav1.CreateOptions{}))(s.T)
	watched := s.watchClasses(namespace, metav1.ListOptions{
		SendInitialEvents: new(true), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	watched.want("ADDED p.A", "ADDED p.B", "BOOKMARK end")
	must(packages.Create(s.Context(), packageOf(namespace, "q", "A"), metav1.CreateOptions{}))(s.T)
	watched.want("ADDED q.A")

	// What client-go compares when it is told to detect inconsistencies.
	bookmark := fmt.Sprint(watched.versions[2])
	exact := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), metav1.ListOptions{
		ResourceVersion: bookmark, ResourceVersionMatch: metav1.ResourceVersionMatchExact,
	}))(s.T)
	if diff := cmp.Diff([]string{"p.A", "p.B"}, namesOfParts(s.T, exact)); diff != "" {
		s.Errorf("the list at the bookmark differs (-want +got):\n%s", diff)
	}
	if exact.ResourceVersion != bookmark {
		s.Errorf("the list is of the version %s, want %s", exact.ResourceVersion, bookmark)
	}
	none := s.watchClasses(namespace, metav1.ListOptions{
		SendInitialEvents: new(false), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	must(packages.Create(s.Context(), packageOf(namespace, "r", "A"), metav1.CreateOptions{}))(s.T)
	none.want("ADDED r.A")
}

func watchTimesOut(s probe) {
	watched := s.watchClasses("timed", metav1.ListOptions{TimeoutSeconds: new(int64(10)), AllowWatchBookmarks: true})
	// A watch without a version begins with what there is, which is nothing.
	watched.want("BOOKMARK end")
	// A write elsewhere moves the point that this watch resumes from.
	must(s.client.PmV1alpha1().Packages("elsewhere").Create(s.Context(), packageOf("elsewhere", "p", "A"), metav1.CreateOptions{}))(s.T)
	watched.want("BOOKMARK")
	if watched.versions[1] <= watched.versions[0] {
		s.Errorf("the last bookmark has the version %d, the first had %d", watched.versions[1], watched.versions[0])
	}
	select {
	case event, open := <-watched.ResultChan():
		if open {
			s.Errorf("told %s, want the end", watched.describe(event))
		}
	case <-time.After(readyWithin):
		s.Error("the watch does not end")
	}
}

// watchedClasses is a watch whose events a test expects one after the other.
type watchedClasses struct {
	*testing.T
	watch.Interface
	versions []uint64
}

func (s probe) watchClasses(namespace string, options metav1.ListOptions) *watchedClasses {
	s.Helper()
	watched := must(s.client.PmV1alpha1().Classes(namespace).Watch(s.Context(), options))(s.T)
	s.Cleanup(watched.Stop)
	return &watchedClasses{T: s.T, Interface: watched}
}

// want takes the next events, which must be those.
func (w *watchedClasses) want(events ...string) {
	w.Helper()
	timeout := time.After(readyWithin)
	for _, want := range events {
		select {
		case event, open := <-w.ResultChan():
			if !open {
				w.Fatalf("the watch ended, want %s", want)
			}
			got := w.describe(event)
			if got != want {
				w.Fatalf("told %s, want %s", got, want)
			}
		case <-timeout:
			w.Fatalf("told nothing, want %s", want)
		}
	}
}

func (w *watchedClasses) describe(event watch.Event) string {
	if event.Type == watch.Error {
		return fmt.Sprint("ERROR ", event.Object.(*metav1.Status).Code)
	}
	class := event.Object.(*v1alpha1.Class)
	var version uint64
	if _, err := fmt.Sscan(class.ResourceVersion, &version); err != nil {
		w.Errorf("%s has the resource version %q", class.Name, class.ResourceVersion)
	}
	w.versions = append(w.versions, version)
	if event.Type == watch.Bookmark {
		if class.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
			return "BOOKMARK end"
		}
		return "BOOKMARK"
	}
	return fmt.Sprintf("%s %s", event.Type, class.Name)
}
