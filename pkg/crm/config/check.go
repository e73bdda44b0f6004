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
	check(!strings.HasPrefix(namespace, "kube-"), "K8S_NAMESPACE is %q: a namespace of Kubernetes itself, in which no record may be: use another", namespace)
}

// checkListeners wants an address of its own for each; port 0 is any that is free.
func checkListeners(check checkFunc, c Config) {
	first := map[string]string{}
	for _, listener := range []struct{ name, address string }{
		{"GRPC_ADDRESS", c.GRPCAddress}, {"METRICS_ADDRESS", c.MetricsAddress}, {"HEALTH_ADDRESS", c.HealthAddress}, {"WEBHOOK_ADDRESS", c.Webhook.Address},
	} {
		other, taken := first[listener.address]
		off := listener.address == "" || listener.address == "0" || strings.HasSuffix(listener.address, ":0")
		check(off || !taken, "%s and %s are both %s: give each a port of its own", other, listener.name, listener.address)
		if !taken {
			first[listener.address] = listener.name
		}
	}
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

// checkPrometheus wants a URL where Prometheus is used, and nowhere else. What it
// says never holds the URL as it was set, which may have a password.
func checkPrometheus(check checkFunc, c Config) {
	text, used := c.Prometheus.URL, c.Features.Prometheus
	if text == "" {
		check(!c.NeedsPrometheus(), "PROFILE full needs PROM_URL: set it, or FEATURES_PROMETHEUS=false to do without Prometheus")
		check(!used || c.NeedsPrometheus(), "FEATURES_PROMETHEUS is on without PROM_URL: set it or turn FEATURES_PROMETHEUS off")
		return
	}
	check(used, "PROM_URL is set while FEATURES_PROMETHEUS is off: turn it on or unset the URL")
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" ||
		parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
		check(false, "PROM_URL is not a URL of a Prometheus: use http://host:port or https://host:port, with a path if need be, without a query")
		return
	}
	check(parsed.User == nil || parsed.Scheme == "https" || c.Profile == ProfileDev, "PROM_URL sends credentials to %s in the clear: use https", parsed.Host)
}

// checkEnforcement wants somebody who measures what is to be enforced.
func checkEnforcement(check checkFunc, c Config) {
	check(!c.Features.NFREnforcement || c.Prometheus.URL != "",
		"FEATURES_NFR_ENFORCEMENT is on without Prometheus, which measures what is enforced: set PROM_URL or turn FEATURES_NFR_ENFORCEMENT off")
	e := c.Enforcement
	check(e.CooldownSecs >= 10 && e.CooldownSecs <= 3600, "ENFORCEMENT_COOLDOWN_SECS is %d: use 10 to 3600", e.CooldownSecs)
	check(e.MaxReplicaDelta >= 1 && e.MaxReplicaDelta <= 100, "ENFORCEMENT_MAX_REPLICA_DELTA is %d: use 1 to 100 (percent)", e.MaxReplicaDelta)
}
