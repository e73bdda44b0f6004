// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package metricsource

import (
	"io"
	"net/http"
	"net/url"
)

// answerLimit is the room for an answer, in bytes; the client would read one without
// end.
const answerLimit = 16 << 10

// guard sends credentials along, which therefore are in no URL and in no error, and
// cuts answers that are too long.
type guard struct {
	base *http.Transport
	// user is nil where the server asks for none.
	user *url.Userinfo
}

func newGuard(user *url.Userinfo) *guard {
	base := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      1,
	}
	return &guard{base: base, user: user}
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	if g.user != nil {
		password, _ := g.user.Password()
		request = request.Clone(request.Context())
		request.SetBasicAuth(g.user.Username(), password)
	}
	response, err := g.base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, answerLimit), response.Body}
	return response, nil
}
