// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestQueries(t *testing.T) {
	const refused = "refused"
	for sentence, test := range map[string]struct{ method, target, want string }{
		"every short name has its field": {
			http.MethodGet, "/api/v1/deployment-records?package=p&class=c&env=e&status=running&limit=5&offset=10",
			"filter.class_key=c&filter.condition=RECORD_CONDITION_RUNNING&filter.environment=e&filter.package_name=p&offset=10&page_size=5",
		},
		"the other route lists too":                 {http.MethodGet, "/api/v1/deployments?env=e", "filter.environment=e"},
		"fields go by their own names as well":      {http.MethodGet, "/api/v1/deployments?filter.environment=e&page_token=x", "filter.environment=e&page_token=x"},
		"a status in full is taken":                 {http.MethodGet, "/api/v1/deployments?status=RECORD_CONDITION_FAILED", "filter.condition=RECORD_CONDITION_FAILED"},
		"a status that is none is left to be found": {http.MethodGet, "/api/v1/deployments?status=Great", "filter.condition=Great"},
		"an empty filter is none":                   {http.MethodGet, "/api/v1/deployments?env=&package=p", "filter.package_name=p"},
		"a unit may be checked only":                {http.MethodPost, "/api/v1/deployments?dry_run=true", "dry_run=true"},
		"other routes are left alone":               {http.MethodGet, "/oaas.x.Y/Z?message=m", "message=m"},
		"only lists have filters":                   {http.MethodPost, "/api/v1/deployments?package=p", refused},
		"one deployment has no parameters":          {http.MethodGet, "/api/v1/deployments/x?package=p", refused},
		"a name that stands for nothing is refused": {http.MethodGet, "/api/v1/deployments?state=x", refused},
		"a filter that cannot be read is refused":   {http.MethodGet, "/api/v1/deployments?package=%zz&limit=5", refused},
		"a semicolon separates nothing":             {http.MethodGet, "/api/v1/deployments?limit=5;package=p", refused},
		"a unit is no parameter":                    {http.MethodPost, "/api/v1/deployments?unit=x", refused},
		"a field of a field has its parent's name":  {http.MethodGet, "/api/v1/deployments?environment=x", refused},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := refused
			handler := queries(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.RawQuery }))
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), test.method, test.target, nil))
			if got != test.want {
				t.Errorf("query = %q, want %q", got, test.want)
			}
			if (answer.Code == http.StatusBadRequest) != (test.want == refused) {
				t.Errorf("answer = %d: %s", answer.Code, answer.Body)
			}
		})
	}
}
