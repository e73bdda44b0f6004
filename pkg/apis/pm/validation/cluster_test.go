// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

func validCluster() *pm.Cluster {
	return &pm.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "eu-1", Generation: 1},
		Spec: pm.ClusterSpec{
			Endpoint:     "crm.oaas-system.svc:8088",
			Environments: []string{"edge"},
			TLS:          &pm.ClusterTLS{ServerName: "crm.example.com"},
			Auth: &pm.ClusterAuth{
				Type:      pm.ClusterAuthCertificate,
				SecretRef: &pm.SecretReference{Namespace: "oaas-system", Name: "eu-1.link"},
			},
			Timeout:       &metav1.Duration{Duration: 30 * time.Second},
			RetryAttempts: ptr.To[int32](3),
		},
	}
}

func TestValidateCluster(t *testing.T) {
	certificate, key, err := certutil.GenerateSelfSignedCertKey("crm.example.com", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := func(value string) func(*pm.Cluster) {
		return func(c *pm.Cluster) { c.Spec.Endpoint = value }
	}
	tests := map[string]struct {
		change func(*pm.Cluster)
		want   []string
	}{
		"a complete cluster is accepted":        {change: func(*pm.Cluster) {}},
		"an endpoint is enough":                 {change: func(c *pm.Cluster) { c.Spec = pm.ClusterSpec{Endpoint: "10.0.0.1:8088"} }},
		"an IPv6 endpoint is accepted":          {change: endpoint("[::1]:8088")},
		"certificates are accepted":             {change: func(c *pm.Cluster) { c.Spec.TLS.CABundle = append(certificate, certificate...) }},
		"no identity needs no Secret":           {change: func(c *pm.Cluster) { c.Spec.Auth = &pm.ClusterAuth{Type: pm.ClusterAuthNone} }},
		"a single try is accepted":              {change: func(c *pm.Cluster) { c.Spec.RetryAttempts = ptr.To[int32](0) }},
		"a name with dots is refused":           {change: func(c *pm.Cluster) { c.Name = "eu.1" }, want: []string{invalid + "metadata.name"}},
		"the endpoint is required":              {change: endpoint(""), want: []string{required + "spec.endpoint"}},
		"a port with a sign is refused":         {change: endpoint("crm:+80"), want: []string{invalid + "spec.endpoint"}},
		"an endpoint without a port is refused": {change: endpoint("crm"), want: []string{invalid + "spec.endpoint"}},
		"an endpoint with a scheme is refused":  {change: endpoint("https://crm:8088"), want: []string{invalid + "spec.endpoint"}},
		"a resolver's scheme is refused":        {change: endpoint("dns:///crm:8088"), want: []string{invalid + "spec.endpoint"}},
		"an endpoint without a host is refused": {change: endpoint(":8088"), want: []string{invalid + "spec.endpoint"}},
		"a named port is refused":               {change: endpoint("crm:grpc"), want: []string{invalid + "spec.endpoint"}},
		"port 0 is refused":                     {change: endpoint("crm:0"), want: []string{invalid + "spec.endpoint"}},
		"the same environment twice is refused": {change: func(c *pm.Cluster) { c.Spec.Environments = []string{"edge", "edge"} }, want: []string{duplicate + "spec.environments[1]"}},
		"a bundle of nothing is refused":        {change: func(c *pm.Cluster) { c.Spec.TLS.CABundle = []byte("hello") }, want: []string{invalid + "spec.tls.caBundle"}},
		"a key is no certificate":               {change: func(c *pm.Cluster) { c.Spec.TLS.CABundle = append(certificate, key...) }, want: []string{invalid + "spec.tls.caBundle"}},
		"a server name with a space is refused": {change: func(c *pm.Cluster) { c.Spec.TLS.ServerName = "a b" }, want: []string{invalid + "spec.tls.serverName"}},
		"an unknown identity is refused":        {change: func(c *pm.Cluster) { c.Spec.Auth.Type = "Kerberos" }, want: []string{unsupported + "spec.auth.type"}},
		"an identity needs its Secret":          {change: func(c *pm.Cluster) { c.Spec.Auth.SecretRef = nil }, want: []string{required + "spec.auth.secretRef"}},
		"credentials in plain text are refused": {change: func(c *pm.Cluster) { c.Spec.TLS = nil }, want: []string{required + "spec.tls"}},
		"a Secret is named in full": {
			change: func(c *pm.Cluster) { c.Spec.Auth.SecretRef = &pm.SecretReference{} },
			want:   []string{required + "spec.auth.secretRef.namespace", required + "spec.auth.secretRef.name"},
		},
		"a timeout below a second is refused":     {change: func(c *pm.Cluster) { c.Spec.Timeout.Duration = time.Millisecond }, want: []string{invalid + "spec.timeout"}},
		"a timeout above five minutes is refused": {change: func(c *pm.Cluster) { c.Spec.Timeout.Duration = time.Hour }, want: []string{invalid + "spec.timeout"}},
		"eleven attempts are refused":             {change: func(c *pm.Cluster) { c.Spec.RetryAttempts = ptr.To[int32](11) }, want: []string{invalid + "spec.retryAttempts"}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			c := validCluster()
			test.change(c)
			expectErrors(t, declared(t, resources.Clusters, c, nil, validation.ValidateCluster(c)), test.want)
		})
	}
}

func TestValidateClusterStatus(t *testing.T) {
	tests := map[string]struct {
		status pm.ClusterStatus
		want   []string
	}{
		"a report is accepted":                    {status: pm.ClusterStatus{Health: pm.ClusterHealthy, NodeCount: 3, ReadyNodes: 3, Availability: "0.9995"}},
		"an unknown health is refused":            {status: pm.ClusterStatus{Health: "Great"}, want: []string{unsupported + "status.health"}},
		"more ready nodes than nodes are refused": {status: pm.ClusterStatus{NodeCount: 1, ReadyNodes: 2}, want: []string{invalid + "status.readyNodes"}},
		"an unknown state of the link is refused": {status: pm.ClusterStatus{CircuitBreaker: &pm.CircuitBreakerStatus{State: "Ajar"}}, want: []string{unsupported + "status.circuitBreaker.state"}},
		"an availability in percent is refused":   {status: pm.ClusterStatus{Availability: "99%"}, want: []string{invalid + "status.availability"}},
		"a report about the future is refused":    {status: pm.ClusterStatus{ObservedGeneration: 9}, want: []string{invalid + "status.observedGeneration"}},
		"a condition without a reason is refused": {status: pm.ClusterStatus{Conditions: []metav1.Condition{{Type: pm.ClusterReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.Now()}}}, want: []string{required + "status.conditions[0].reason"}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			c := validCluster()
			c.Status = test.status
			expectErrors(t, declared(t, resources.Clusters, c, validCluster(), validation.ValidateClusterStatusUpdate(c, validCluster())), test.want)
		})
	}
}
