// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package frontproxy_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"

	"oaas.io/oaas/pkg/apiserver/frontproxy"
)

// notLoaded is an authority whose ConfigMap was not read yet.
type notLoaded struct {
	dynamiccertificates.CAContentProvider
}

func (notLoaded) VerifyOptions() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, false }

func TestRequestsWaitUntilTheFrontProxyIsKnown(t *testing.T) {
	ca, _ := authority(t, "front-proxy-ca")
	known, unknown := trusting(t, ca), &authenticatorfactory.RequestHeaderConfig{CAContentProvider: notLoaded{}}
	tests := map[string]struct {
		config *authenticatorfactory.RequestHeaderConfig
		path   string
		code   int
	}{
		"a request before is turned away to come again": {unknown, "/apis/pm.oaas.io/v1alpha1/packages", http.StatusServiceUnavailable},
		"a probe before passes":                         {unknown, "/livez", http.StatusOK},
		"a request afterwards passes":                   {known, "/apis/pm.oaas.io/v1alpha1/packages", http.StatusOK},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answered := httptest.NewRecorder()
			inner := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			asked := httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil)
			frontproxy.WithReadiness(inner, test.config).ServeHTTP(answered, asked)
			if answered.Code != test.code {
				t.Errorf("got %d, want %d", answered.Code, test.code)
			}
			if retry := answered.Header().Get("Retry-After"); (retry != "") != (test.code == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q with %d", retry, answered.Code)
			}
		})
	}
}
