// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

type checkFunc func(ok bool, format string, args ...any)

func checkNamespace(check checkFunc, namespace string) {
	if namespace == "" {
		return
	}
	problems := validation.IsDNS1123Label(namespace)
	check(len(problems) == 0, "K8S_NAMESPACE is %q: %s", namespace, strings.Join(problems, ", "))
}

// checkImage wants an image reference or nothing.
func checkImage(check checkFunc, name, image string) {
	if image == "" {
		return
	}
	_, err := reference.ParseNormalizedNamed(image)
	check(err == nil, "%s is %q: use an image reference, such as registry.example/odgm:1.2", name, image)
}

// checkAddress wants host:port, or 0 where that turns a listener off.
func checkAddress(check checkFunc, name, address string, optional bool) {
	if optional && address == "0" {
		return
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	check(err == nil, "%s is %q: use host:port or :port", name, address)
}

// checkReport wants all that a report needs, or nothing.
func checkReport(check checkFunc, r Report, s Security) {
	check(r.IntervalSecs >= 5 && r.IntervalSecs <= 3600, "REPORT_INTERVAL_SECS is %d: use 5 to 3600", r.IntervalSecs)
	check((r.CertFile == "") == (r.KeyFile == ""), "REPORT_CERT_FILE and REPORT_KEY_FILE belong together: set both or none")
	if r.Endpoint == "" {
		check(r.Cluster == "" && r.CAFile == "" && r.ServerName == "" && r.CertFile == "" && r.TokenFile == "",
			"REPORT_ENDPOINT is not set while other settings of REPORT_ are: set it or unset them")
		return
	}
	checkAddress(check, "REPORT_ENDPOINT", r.Endpoint, false)
	problems := validation.IsDNS1123Label(r.Cluster)
	check(len(problems) == 0, "REPORT_CLUSTER is %q: use the name of the Cluster object that stands for this cluster", r.Cluster)
	check(r.TokenFile != "" || r.CertFile != "" || s.TLSCertFile != "",
		"REPORT_ENDPOINT is set without credentials: set SECURITY_TLS_CERT_FILE, REPORT_CERT_FILE or REPORT_TOKEN_FILE")
}

// checkWebhook wants a way for the API server to reach the webhooks, if there are
// any.
func checkWebhook(check checkFunc, w Webhook) {
	if w.Address == "" {
		check(w.URL == "", "WEBHOOK_URL is set while WEBHOOK_ADDRESS is not: set it or unset the URL")
		return
	}
	checkAddress(check, "WEBHOOK_ADDRESS", w.Address, false)
	if w.URL == "" {
		problems := validation.IsDNS1035Label(w.Service)
		check(len(problems) == 0, "WEBHOOK_SERVICE is %q: %s", w.Service, strings.Join(problems, ", "))
		return
	}
	parsed, err := url.Parse(w.URL)
	check(err == nil && parsed.Scheme == "https" && parsed.Hostname() != "" && strings.Trim(parsed.Path, "/") == "" && parsed.RawQuery == "",
		"WEBHOOK_URL is %q: use https://host:port", w.URL)
}
