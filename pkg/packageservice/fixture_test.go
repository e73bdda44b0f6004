// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
	"oaas.io/oaas/pkg/crmclient"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/pki"
	pmregistry "oaas.io/oaas/pkg/registry/pm"
	"oaas.io/oaas/pkg/registry/pm/runtimestates"
	"oaas.io/oaas/pkg/reports"
)

const (
	namespace = "shop"
	// serviceName is what the certificates of all Class Runtime Managers carry.
	serviceName = "oaas-crm.oaas-system.svc"
)

// etcd is a database that replicas share.
type etcd struct {
	config storagebackend.Config
	codecs serializer.CodecFactory
	scheme *runtime.Scheme
}

func newEtcd(t *testing.T) *etcd {
	t.Helper()
	// The socket's path must be short, which that of t.TempDir is not.
	dir, err := os.MkdirTemp("", "etcd") //nolint:usetesting // as said above
	if err != nil {
		t.Fatal(err)
	}
	options := embeddedetcd.Options{Enabled: true, DataDir: dir}
	server, err := options.Start(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		_ = os.RemoveAll(dir)
	})
	config := storagebackend.NewDefaultConfig("/registry/pm.oaas.io", nil)
	config.Transport.ServerList = []string{options.Endpoint()}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return &etcd{config: *config, codecs: serializer.NewCodecFactory(scheme), scheme: scheme}
}

// GetRESTOptions stores in the database, as protobuf, behind a watch cache.
func (e *etcd) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	info, _ := runtime.SerializerInfoForMediaType(e.codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	config := e.config
	config.Codec = e.codecs.CodecForVersions(info.Serializer, e.codecs.UniversalDeserializer(),
		v1alpha1.SchemeGroupVersion, runtime.InternalGroupVersioner)
	return generic.RESTOptions{
		StorageConfig: config.ForResource(resource), Decorator: registry.StorageWithCacher(),
		ResourcePrefix: resource.Resource, DeleteCollectionWorkers: 1,
	}, nil
}

// stores are the stores of one replica.
type stores struct {
	storage map[string]rest.Storage
	objects *Objects
	states  *runtimestates.States
}

func (e *etcd) open(t *testing.T) *stores {
	t.Helper()
	links := crmclient.NewPool(crmclient.Options{})
	t.Cleanup(links.Close)
	storage, err := pmregistry.Open(pmregistry.Options{Scheme: e.scheme, Getter: e, Links: links})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, store := range storage {
			store.Destroy()
		}
	})
	objects, err := NewObjects(storage)
	if err != nil {
		t.Fatal(err)
	}
	s := &stores{storage: storage, objects: objects, states: storage[resources.RuntimeStates].(*runtimestates.REST).States()}
	polltest.Until(t, "the caches are filled", func() bool {
		_, err := objects.allClusters(t.Context())
		_, err2 := s.states.Cached(t.Context(), types.NamespacedName{Namespace: "a", Name: "b"})
		return err == nil && err2 == nil
	})
	return s
}

// create stores an object.
func (s *stores) create(t *testing.T, resource string, object runtime.Object, inNamespace string) runtime.Object {
	t.Helper()
	ctx := genericapirequest.WithNamespace(t.Context(), inNamespace)
	created, err := s.storage[resource].(rest.Creater).Create(ctx, object, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// deploy makes a class deployment whose status lists units, given as
// <cluster>/<id>.
func (s *stores) deploy(t *testing.T, name, pkg string, units ...string) *pm.ClassDeployment {
	t.Helper()
	s.create(t, resources.ClassDeployments, &pm.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       pm.ClassDeploymentSpec{PackageName: pkg, ClassKey: "Cart", TargetEnvironments: []string{"prod"}, DeletionPolicy: pm.DeletionDelete},
	}, namespace)
	return s.list(t, name, units...)
}

// list sets the units of a class deployment.
func (s *stores) list(t *testing.T, name string, units ...string) *pm.ClassDeployment {
	t.Helper()
	ctx := genericapirequest.WithNamespace(t.Context(), namespace)
	set := func(_ context.Context, _, stored runtime.Object) (runtime.Object, error) {
		deployment := stored.(*pm.ClassDeployment).DeepCopy()
		deployment.Status.Units = nil
		for _, unit := range units {
			cluster, id, _ := strings.Cut(unit, "/")
			deployment.Status.Units = append(deployment.Status.Units, pm.DeploymentUnitStatus{Cluster: cluster, DeploymentID: id, Environment: "prod", Planned: true})
		}
		return deployment, nil
	}
	changed, _, err := s.storage[resources.ClassDeployments+"/status"].(rest.Updater).Update(ctx, name,
		rest.DefaultUpdatedObjectInfo(nil, set), nil, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deployment := changed.(*pm.ClassDeployment)
	polltest.Until(t, "the cache knows the units", func() bool {
		cached, err := get[*pm.ClassDeployment](t.Context(), s.objects.deployments, namespace, name)
		return err == nil && cached != nil && len(cached.Status.Units) == len(units)
	})
	return deployment
}

// state reads a runtime state from the database, nil when there is none.
func (s *stores) state(t *testing.T, name string) *pm.RuntimeState {
	t.Helper()
	ctx := genericapirequest.WithNamespace(context.WithoutCancel(t.Context()), namespace)
	object, err := s.storage[resources.RuntimeStates].(rest.Getter).Get(ctx, name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return object.(*pm.RuntimeState)
}

// replica is a server.
type replica struct {
	*stores
	address string
	// stop ends the server in order; it may be called again.
	stop func()
}

// users answer for the API server: the tokens good and poor are those of a user,
// and good may report for cluster a and read packages.
type users struct{}

func (users) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case ok && (token == "good" || token == "poor"):
		return &authenticator.Response{User: &user.DefaultInfo{Name: token}}, true, nil
	case ok && token == "expired":
		return nil, false, apierrors.NewUnauthorized("the token has expired")
	}
	return nil, false, nil
}

func (users) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	reports := a.GetVerb() == VerbReport && a.GetAPIGroup() == "pm.oaas.io" && a.GetResource() == "clusters" && a.GetName() == "a"
	reads := a.GetVerb() == "get" && a.GetResource() == "packages"
	if a.GetUser().GetName() == "good" && (reports || reads) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

var serving = func() *pki.Authority {
	authority, err := pki.NewAuthority("serving", time.Now(), time.Hour)
	if err != nil {
		panic(err)
	}
	return authority
}()

// serve runs a server until the test ends or stop is called.
func serve(t *testing.T, s *stores, clock *clocktesting.FakeClock, bounds reports.Config) *replica {
	t.Helper()
	pair, err := serving.Issue(pki.Request{User: "pm", Hosts: []string{"127.0.0.1"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Config{
		Objects: s.objects, States: s.states, Bounds: bounds, Authenticator: users{}, Authorizer: users{},
		Certificate: func() ([]byte, []byte) { return pair.Cert, pair.Key },
		Clock:       clock, Metrics: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, listener) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return &replica{stores: s, address: listener.Addr().String(), stop: stop}
}

// member is a cluster with an authority of its own.
type member struct {
	name      string
	authority *pki.Authority
}

// join makes a cluster that the Package Manager knows by its authority.
func (s *stores) join(t *testing.T, name string) *member {
	t.Helper()
	authority, err := pki.NewAuthority("oaas", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{name: name, authority: authority}
	s.create(t, resources.Clusters, m.cluster(), "")
	polltest.Until(t, "the cache knows the cluster", func() bool {
		cluster, err := get[*pm.Cluster](t.Context(), s.objects.clusters, "", name)
		return err == nil && cluster != nil
	})
	return m
}

func (m *member) cluster() *pm.Cluster {
	return &pm.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: m.name},
		Spec:       pm.ClusterSpec{Endpoint: "10.0.0.1:8081", TLS: &pm.ClusterTLS{CABundle: m.authority.Cert, ServerName: serviceName}},
	}
}

// certificate is one by the cluster's authority.
func (m *member) certificate(t *testing.T, request pki.Request) *tls.Certificate {
	t.Helper()
	pair, err := m.authority.Issue(request, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate
}

// own is the certificate of the cluster's Class Runtime Manager.
func (m *member) own(t *testing.T) *tls.Certificate {
	t.Helper()
	return m.certificate(t, pki.Request{User: serviceName, Hosts: []string{serviceName}, Client: true})
}

// dial connects with a certificate, or none.
func (r *replica) dial(t *testing.T, certificate *tls.Certificate) *grpc.ClientConn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(serving.Cert)
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	connection, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func (r *replica) as(t *testing.T, certificate *tls.Certificate) packagev1.PackageServiceClient {
	t.Helper()
	return packagev1.NewPackageServiceClient(r.dial(t, certificate))
}
