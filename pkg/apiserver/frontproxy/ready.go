// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package frontproxy

import (
	"errors"
	"net/http"
	"slices"

	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
)

// errUnknownAuthority is what a client may try again after.
var errUnknownAuthority = errors.New("the server is starting: the certificate authority of the front proxy is not known yet")

// Ready says whether requests of the front proxy can be recognised. Its
// certificate authority is read from a ConfigMap, a moment after the server
// began to listen.
func Ready(config *authenticatorfactory.RequestHeaderConfig) error {
	if _, ok := config.CAContentProvider.VerifyOptions(); !ok {
		return errUnknownAuthority
	}
	return nil
}

// WithReadiness turns requests away, to come again, until those of the front
// proxy can be recognised. Without it, a restart would make everybody anonymous
// for that moment, and answer Forbidden to who is allowed. Probes pass.
func WithReadiness(next http.Handler, config *authenticatorfactory.RequestHeaderConfig) http.Handler {
	probes := []string{"/healthz", "/livez", "/readyz"}
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if err := Ready(config); err != nil && !slices.Contains(probes, request.URL.Path) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, request)
	})
}
