// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func pagesOfParts(s probe) {
	const namespace = "pages-of-parts"
	packages := s.client.PmV1alpha1().Packages(namespace)
	var want []string
	for i := range 7 {
		p := packageOf(namespace, fmt.Sprint("p", i))
		for j := range i {
			key := fmt.Sprint("K", j)
			p.Spec.Classes = append(p.Spec.Classes, classOf(key))
			want = append(want, p.Name+"."+key)
		}
		must(packages.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	}
	for limit := int64(1); limit < 9; limit++ {
		var got []string
		options := metav1.ListOptions{Limit: limit}
		for round := 0; ; round++ {
			page := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), options))(s.T)
			if int64(len(page.Items)) > limit {
				s.Fatalf("a page has %d classes, want at most %d", len(page.Items), limit)
			}
			got = append(got, namesOfParts(s.T, page)...)
			if options.Continue = page.Continue; options.Continue == "" {
				break
			}
			// The pages that follow must not show this.
			p := must(packages.Get(s.Context(), "p6", metav1.GetOptions{}))(s.T)
			p.Spec.Classes = append(p.Spec.Classes, classOf(fmt.Sprintf("Later%d-%d", limit, round)))
			must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.Fatalf("in pages of %d (-want +got):\n%s", limit, diff)
		}
		p := must(packages.Get(s.Context(), "p6", metav1.GetOptions{}))(s.T)
		p.Spec.Classes = p.Spec.Classes[:6]
		must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	}
}

func pagesOfOnePackage(s probe) {
	const namespace = "one-package"
	packages := s.client.PmV1alpha1().Packages(namespace)
	p := must(packages.Create(s.Context(), packageOf(namespace, "one", "A", "B", "C"), metav1.CreateOptions{}))(s.T)
	options := metav1.ListOptions{Limit: 2, LabelSelector: v1alpha1.PackageLabel + "=one"}
	first := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), options))(s.T)
	p.Spec.Classes = append(p.Spec.Classes, classOf("D"))
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	options.Continue = first.Continue
	second := must(s.client.PmV1alpha1().Classes(namespace).List(s.Context(), options))(s.T)
	if diff := cmp.Diff([]string{"one.A", "one.B", "one.C"}, append(namesOfParts(s.T, first), namesOfParts(s.T, second)...)); diff != "" {
		s.Errorf("classes differ (-want +got):\n%s", diff)
	}
	if first.ResourceVersion != second.ResourceVersion {
		s.Errorf("the pages are of the versions %s and %s", first.ResourceVersion, second.ResourceVersion)
	}
}

func forgedRequests(s probe) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	classes := s.client.PmV1alpha1().Classes(namespace)
	for _, token := range []string{
		"%", "AAAA", encode("{}"), encode(`{"v":"meta.k8s.io/v1","rv":5,"start":"../../x"}`),
		encode(`{"v":"pm.oaas.io/v1","rv":9999999,"after":["../..","x","y"]}`),
		encode(`{"v":"pm.oaas.io/v1","rv":9999999,"after":["shop","../x","y"]}`),
		encode(`{"v":"pm.oaas.io/v1","rv":9999999,"after":["other","x","y"]}`),
		encode(`{"v":"pm.oaas.io/v1","rv":7,"after":["shop","x","y"]}`),
		strings.Repeat("A", 100_000),
	} {
		if _, err := classes.List(s.Context(), metav1.ListOptions{Limit: 1, Continue: token}); !apierrors.IsBadRequest(err) {
			s.Errorf("the token %.60s: got %v, want a bad request", token, err)
		}
	}
	for _, version := range []string{"x", "-1", "1.5", strings.Repeat("9", 1000)} {
		if _, err := classes.List(s.Context(), metav1.ListOptions{ResourceVersion: version}); !apierrors.IsBadRequest(err) {
			s.Errorf("list at %.20s: got %v, want a bad request", version, err)
		}
		if _, err := classes.Get(s.Context(), "a.b", metav1.GetOptions{ResourceVersion: version}); !apierrors.IsBadRequest(err) {
			s.Errorf("get at %.20s: got %v, want a bad request", version, err)
		}
		if _, err := classes.Watch(s.Context(), metav1.ListOptions{ResourceVersion: version}); !apierrors.IsBadRequest(err) {
			s.Errorf("watch at %.20s: got %v, want a bad request", version, err)
		}
	}
	// Versions and tokens from the future. Clients would try again and again.
	future := map[string]string{
		"resourceVersion": "9000000000000000000",
		"continue":        encode(`{"v":"pm.oaas.io/v1","rv":9000000000000000000,"after":["shop","x","y"]}`),
	}
	for parameter, value := range future {
		err := s.raw(s.T).Get().MaxRetries(0).AbsPath("/apis/pm.oaas.io/v1alpha1/namespaces/shop/classes").
			Param(parameter, value).Do(s.Context()).Error()
		if !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
			s.Errorf("a list with a %s from the future: got %v, want a timeout that names the version", parameter, err)
		}
	}
}

func exactList(s probe) {
	const namespace = "exact"
	packages, classes := s.client.PmV1alpha1().Packages(namespace), s.client.PmV1alpha1().Classes(namespace)
	p := must(packages.Create(s.Context(), packageOf(namespace, "p", "A"), metav1.CreateOptions{}))(s.T)
	before := must(classes.List(s.Context(), metav1.ListOptions{}))(s.T)
	p.Spec.Classes = append(p.Spec.Classes, classOf("B"))
	must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)

	exact := must(classes.List(s.Context(), metav1.ListOptions{ResourceVersion: before.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}))(s.T)
	if diff := cmp.Diff(before, exact); diff != "" {
		s.Errorf("the list differs (-before +after):\n%s", diff)
	}
	after := must(classes.List(s.Context(), metav1.ListOptions{}))(s.T)
	newer := must(classes.List(s.Context(), metav1.ListOptions{ResourceVersion: after.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}))(s.T)
	if len(after.Items) != 2 || len(newer.Items) != 2 {
		s.Errorf("after the write there are %d classes, and in a list that may be newer %d, want 2", len(after.Items), len(newer.Items))
	}
	if _, err := classes.List(s.Context(), metav1.ListOptions{ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchExact}); !apierrors.IsResourceExpired(err) {
		s.Errorf("a list from before the first write: got %v, want 410 Expired", err)
	}
}
