// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestChangesAreToldAsTheFilterShowsThem(t *testing.T) {
	// change is what happens to a record; passing ones are of the environment that is
	// asked for.
	type change struct {
		kind   watch.EventType
		passes bool
	}
	added, modified, deleted := change{watch.Added, true}, change{watch.Modified, true}, change{watch.Deleted, true}
	other := change{watch.Modified, false}
	cases := map[string]struct {
		resumed bool
		changes []change
		want    string
	}{
		"a record comes, changes and goes":                     {false, []change{added, modified, deleted}, "ADDED MODIFIED DELETED"},
		"a record that never passed is not told of":            {false, []change{{watch.Added, false}, other, {watch.Deleted, false}}, ""},
		"a record leaves the filter, once":                     {false, []change{added, other, other, {watch.Deleted, false}}, "ADDED DELETED"},
		"a record comes to pass":                               {false, []change{{watch.Added, false}, modified, modified}, "ADDED MODIFIED"},
		"a record comes back under its name":                   {false, []change{added, deleted, added}, "ADDED DELETED ADDED"},
		"who resumes may know a record that changes":           {true, []change{modified, modified}, "MODIFIED MODIFIED"},
		"who resumes may know a record that left, told once":   {true, []change{other, other, other}, "DELETED"},
		"who resumes is told again of a record that returns":   {true, []change{other, modified, other}, "DELETED ADDED DELETED"},
		"who resumes does not know a record that was made now": {true, []change{{watch.Added, false}, other, modified}, "ADDED"},
		"who resumes may know a record that goes":              {true, []change{{watch.Deleted, false}}, "DELETED"},
	}
	for sentence, test := range cases {
		t.Run(sentence, func(t *testing.T) {
			var told []string
			w := &watcher{
				filter: &deploymentv1.RecordFilter{Environment: "mine"}, resumed: test.resumed, has: map[client.ObjectKey]bool{},
				send: func(response *deploymentv1.WatchDeploymentRecordsResponse) error {
					told = append(told, strings.TrimPrefix(response.GetType().String(), "WATCH_EVENT_TYPE_"))
					return nil
				},
			}
			for _, change := range test.changes {
				record := &v1alpha1.DeploymentRecord{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "team"}}
				if change.passes {
					record.Spec.TargetEnvironment = "mine"
				}
				if err := w.change(change.kind, record); err != nil {
					t.Fatal(err)
				}
			}
			if got := strings.Join(told, " "); got != test.want {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
}

func TestAVersionThatIsNoneIsTheCallersMistake(t *testing.T) {
	request := &deploymentv1.WatchDeploymentRecordsRequest{ResourceVersion: "yesterday"}
	if err := (&deployments{}).WatchDeploymentRecords(request, nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("err = %v, want INVALID_ARGUMENT", err)
	}
}
