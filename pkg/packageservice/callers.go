// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/grpcauth"
)

const (
	// VerbReport is the verb on a Cluster that lets a user report for it.
	VerbReport = "report"
	// callsPerSecond and callBurst are what one caller gets. A call holds up to a
	// thousand units, so this is plenty.
	callsPerSecond = 50
	callBurst      = 200
	// knownCertificates bounds the memory for certificates.
	knownCertificates = 1024
)

// caller is who calls: the Class Runtime Manager of a cluster, or a user of the
// API.
type caller struct {
	// cluster whose certificate was shown; empty for a user.
	cluster string
	// user of the API; nil for a cluster.
	user user.Info
}

func (c caller) String() string {
	if c.cluster != "" {
		return "cluster:" + c.cluster
	}
	return "user:" + c.user.GetName()
}

type callerKey struct{}

// callers decides who may call and what for.
type callers struct {
	objects *Objects
	api     *api
	tokens  *grpcauth.Tokens
	clock   clock.PassiveClock
	limits  *grpcauth.Limits
	// reviews bounds by address the certificates that are checked.
	reviews *grpcauth.Limits
	// certificates remembers those that were checked.
	certificates *lru.Cache
}

func newCallers(objects *Objects, api *api, clock clock.PassiveClock) *callers {
	return &callers{
		objects: objects, api: api, clock: clock,
		tokens:       grpcauth.NewTokens(api, clock),
		limits:       grpcauth.NewLimits(clock, callsPerSecond, callBurst),
		reviews:      grpcauth.NewLimits(clock, grpcauth.ReviewsPerSecond, grpcauth.ReviewBurst),
		certificates: lru.New(knownCertificates),
	}
}

// admit lets callers in that are known, and everybody to the health checks.
func (c *callers) admit(ctx context.Context, method string) (context.Context, string, error) {
	name := "anonymous:" + grpcauth.PeerAddress(ctx)
	if !strings.HasPrefix(method, grpcauth.HealthPrefix) {
		who, err := c.identify(ctx)
		if err != nil {
			return nil, "", err
		}
		name = who.String()
		ctx = context.WithValue(ctx, callerKey{}, who)
	}
	if !c.limits.Allow(name) {
		return nil, name, status.Errorf(codes.ResourceExhausted, "more than %d calls a second by %s: slow down", callsPerSecond, name)
	}
	return ctx, name, nil
}

func (c *callers) identify(ctx context.Context) (caller, error) {
	address := grpcauth.PeerAddress(ctx)
	// A token comes first: whoever sends one also wants to be known by it, and a
	// certificate may be there only because the connection asks for one.
	if token := grpcauth.BearerToken(ctx); token != "" {
		who, err := c.tokens.Authenticate(ctx, token, address)
		if err != nil {
			return caller{}, err
		}
		return caller{user: who}, nil
	}
	if chain := grpcauth.PresentedCertificates(ctx); len(chain) > 0 {
		return c.byCertificate(ctx, chain, address)
	}
	return caller{}, status.Error(codes.Unauthenticated,
		`no credentials: show the certificate of the cluster's Class Runtime Manager, or send "authorization: Bearer <token>"`)
}

// checked is whose a certificate was found to be, and when.
type checked struct {
	caller caller
	at     time.Time
}

func (c *callers) byCertificate(ctx context.Context, chain []*x509.Certificate, address string) (caller, error) {
	key := sha256.Sum256(chain[0].Raw)
	if value, ok := c.certificates.Get(key); ok {
		if known, ok := value.(checked); ok && c.clock.Since(known.at) < grpcauth.DecisionAge {
			return known.caller, nil
		}
	}
	if !c.reviews.Allow(address) {
		return caller{}, status.Errorf(codes.ResourceExhausted, "more than %d unknown certificates a second from %s: slow down", grpcauth.ReviewsPerSecond, address)
	}
	clusters, err := c.objects.allClusters(ctx)
	if err != nil {
		return caller{}, statusOf(err)
	}
	who, err := ownerOf(chain, clusters, c.clock.Now())
	if status.Code(err) == codes.Unauthenticated {
		if known, ok := c.api.userOf(ctx, chain); ok {
			who, err = caller{user: known}, nil
		}
	}
	// A refusal is not remembered: the Cluster may be about to be corrected.
	if err == nil {
		c.certificates.Add(key, checked{caller: who, at: c.clock.Now()})
	}
	return who, err
}

// ownerOf finds the cluster whose certificate it is.
func ownerOf(chain []*x509.Certificate, clusters []pm.Cluster, now time.Time) (caller, error) {
	var owners []string
	for i := range clusters {
		if identifies(chain, &clusters[i].Spec, now) {
			owners = append(owners, clusters[i].Name)
		}
	}
	switch len(owners) {
	case 1:
		return caller{cluster: owners[0]}, nil
	case 0:
		return caller{}, status.Errorf(codes.Unauthenticated,
			"the certificate of %q is that of no cluster: it must be good for clients, signed by spec.tls.caBundle of a Cluster, and carry its spec.tls.serverName",
			clip(chain[0].Subject.CommonName))
	default:
		return caller{}, status.Errorf(codes.PermissionDenied,
			"the certificate of %q is that of several clusters (%s): give each a certificate with a name of its own and set spec.tls.serverName",
			clip(chain[0].Subject.CommonName), strings.Join(owners, ", "))
	}
}

// identifies tells whether a certificate is the one by which the Package Manager
// knows a cluster when it calls there.
func identifies(chain []*x509.Certificate, spec *pm.ClusterSpec, now time.Time) bool {
	if spec.TLS == nil {
		return false
	}
	name := spec.TLS.ServerName
	if name == "" {
		host, _, err := net.SplitHostPort(spec.Endpoint)
		if err != nil {
			return false
		}
		name = host
	}
	// The cheap question first.
	if chain[0].VerifyHostname(name) != nil {
		return false
	}
	options := x509.VerifyOptions{
		Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	// Without a bundle, the system's authorities count, as they do for the calls.
	if len(spec.TLS.CABundle) > 0 {
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(spec.TLS.CABundle)
	}
	for _, intermediate := range chain[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	_, err := chain[0].Verify(options)
	return err == nil
}

// mayReport returns nil when the caller of ctx may report for a cluster.
func (c *callers) mayReport(ctx context.Context, cluster string) error {
	who, err := callerOf(ctx)
	if err != nil {
		return err
	}
	if who.user != nil {
		return c.tokens.Authorize(ctx, who.user, authorizer.AttributesRecord{
			Verb: VerbReport, APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version,
			Resource: resources.Clusters, Name: cluster,
		})
	}
	if who.cluster != cluster {
		return status.Errorf(codes.PermissionDenied, "the caller is cluster %q and may not report for cluster %q", who.cluster, cluster)
	}
	return nil
}

// mayRead returns nil when the caller of ctx may read a package. A cluster may read
// what runs on it.
func (c *callers) mayRead(ctx context.Context, namespace, name string) error {
	who, err := callerOf(ctx)
	if err != nil {
		return err
	}
	if who.user != nil {
		return c.tokens.Authorize(ctx, who.user, authorizer.AttributesRecord{
			Verb: "get", APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version,
			Resource: resources.Packages, Namespace: namespace, Name: name,
		})
	}
	runs, err := c.objects.runsOn(ctx, namespace, name, who.cluster)
	if err != nil {
		return statusOf(err)
	}
	if !runs {
		return status.Errorf(codes.PermissionDenied, "nothing of package %q in namespace %q runs on cluster %q", name, namespace, who.cluster)
	}
	return nil
}

func callerOf(ctx context.Context) (caller, error) {
	who, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return caller{}, status.Error(codes.Unauthenticated, "the caller is not known")
	}
	return who, nil
}

// clip keeps what a stranger wrote from filling logs.
func clip(text string) string {
	const limit = 128
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return fmt.Sprintf("%s… (%d characters)", string(runes[:limit]), len(runes))
}
