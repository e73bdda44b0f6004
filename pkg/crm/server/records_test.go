// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestPagesFitIntoAMessage(t *testing.T) {
	const large = 1 << 20
	records := make([]v1alpha1.DeploymentRecord, 7)
	for i := range records {
		records[i] = v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("r", i), Namespace: "team"}}
	}
	// Two of these and more do not fit into one message.
	for _, i := range []int{1, 2, 5} {
		records[i].Status.Message = strings.Repeat("x", large)
	}
	cases := map[string]struct {
		size, limit int
		want        [][]string
	}{
		"everything fits":                         {size: 7, limit: 4 * large, want: [][]string{{"r0", "r1", "r2", "r3", "r4", "r5", "r6"}}},
		"the caller wants little":                 {size: 3, limit: 4 * large, want: [][]string{{"r0", "r1", "r2"}, {"r3", "r4", "r5"}, {"r6"}}},
		"large records make short pages":          {size: 7, limit: large + large/2, want: [][]string{{"r0", "r1"}, {"r2", "r3", "r4"}, {"r5", "r6"}}},
		"one record that is too large goes alone": {size: 7, limit: large / 2, want: [][]string{{"r0"}, {"r1"}, {"r2"}, {"r3", "r4"}, {"r5"}, {"r6"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got [][]string
			for left := records; len(left) > 0; {
				page := pageOf(left, tc.size, tc.limit)
				if size := proto.Size(page); len(page.GetRecords()) > 1 && size > tc.limit+1024 {
					t.Errorf("a page has %d bytes, want at most %d", size, tc.limit)
				}
				var names []string
				for i := range page.GetRecords() {
					names = append(names, left[i].Name)
				}
				got = append(got, names)
				left = left[len(page.GetRecords()):]
				if (page.GetNextPageToken() == "") != (len(left) == 0) {
					t.Errorf("next_page_token = %q with %d records left", page.GetNextPageToken(), len(left))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("pages differ (-want +got):\n%s", diff)
			}
		})
	}
}
