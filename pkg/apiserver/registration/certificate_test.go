// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	certutil "k8s.io/client-go/util/cert"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregatorfake "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/fake"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/pki"
	"oaas.io/oaas/pkg/servingcert"
)

const (
	testNamespace = "oaas-system"
	testService   = "oaas-apiserver"
	testHost      = "oaas-apiserver.oaas-system.svc"
	testAPI       = "v1alpha1.pm.oaas.io"
	day           = 24 * time.Hour
)

// host is a cluster with an APIService and any number of replicas.
type host struct {
	kube     *kubefake.Clientset
	registry *aggregatorfake.Clientset
	clock    *clocktesting.FakeClock
}

func newHost(registrations ...runtime.Object) *host {
	return &host{
		kube: kubefake.NewClientset(), registry: aggregatorfake.NewSimpleClientset(registrations...),
		clock: clocktesting.NewFakeClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
}

func registered() *apiregistrationv1.APIService {
	return &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: testAPI},
		Spec: apiregistrationv1.APIServiceSpec{
			Service: &apiregistrationv1.ServiceReference{Namespace: testNamespace, Name: testService},
		},
	}
}

func (h *host) replica(t *testing.T) Certificate {
	t.Helper()
	pair := selfSigned(t)
	fallback, err := dynamiccertificates.NewStaticCertKeyContent("fallback", pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Client: h.kube, Registrations: h.registry.ApiregistrationV1().APIServices(), APIService: testAPI,
		Namespace: testNamespace, Service: testService, Fallback: fallback, Clock: h.clock,
	})
}

func selfSigned(t *testing.T) pki.Pair {
	t.Helper()
	made, err := pki.NewAuthority("fallback", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return made.Pair
}

// bundle is what kube-apiserver trusts.
func (h *host) bundle(t *testing.T) []byte {
	t.Helper()
	found, err := h.registry.ApiregistrationV1().APIServices().Get(t.Context(), testAPI, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if found.Spec.InsecureSkipTLSVerify {
		t.Fatal("kube-apiserver would not verify the server at all")
	}
	return found.Spec.CABundle
}

func (h *host) setBundle(t *testing.T, change func(*apiregistrationv1.APIServiceSpec)) {
	t.Helper()
	services := h.registry.ApiregistrationV1().APIServices()
	found, err := services.Get(t.Context(), testAPI, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	change(&found.Spec)
	if _, err := services.Update(t.Context(), found, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// trusts says why kube-apiserver would not talk to a replica.
func (h *host) trusts(bundle []byte, c Certificate) error {
	loaded, err := tls.X509KeyPair(c.CurrentCertKeyContent())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: h.clock.Now(), DNSName: testHost})
	return err
}

// issuerOf names the authority that signed what a replica serves.
func issuerOf(t *testing.T, c Certificate) string {
	t.Helper()
	loaded, err := tls.X509KeyPair(c.CurrentCertKeyContent())
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Leaf.Issuer.CommonName
}

// namesIn are the authorities of a bundle.
func namesIn(t *testing.T, bundle []byte) []string {
	t.Helper()
	certs, err := certutil.ParseCertsPEM(bundle)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, cert := range certs {
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

func mustSync(t *testing.T, c Certificate) {
	t.Helper()
	if err := c.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two replicas live through years of rotations. At any moment each of them must
// be trusted by a kube-apiserver that has heard of the last change of the
// registration, and by one that has not yet.
func TestRotationNeverLosesTrust(t *testing.T) {
	h := newHost(registered())
	replicas := []Certificate{h.replica(t), h.replica(t)}
	for _, c := range replicas {
		mustSync(t, c)
	}
	issuers := map[string]bool{}
	largest := 0
	for step := range 4000 {
		// Mostly hours pass, now and then seconds, as around a change.
		h.clock.Step([]time.Duration{11 * time.Hour, 5 * time.Second, 13 * time.Hour, 16 * time.Second}[step%4])
		before := h.bundle(t)
		mustSync(t, replicas[step%2])
		if step%7 != 0 {
			mustSync(t, replicas[(step+1)%2])
		}
		after := h.bundle(t)
		for i, c := range replicas {
			if err := errors.Join(h.trusts(before, c), h.trusts(after, c)); err != nil {
				t.Fatalf("step %d, %s: replica %d is not trusted: %v", step, h.clock.Now(), i, err)
			}
			issuers[issuerOf(t, c)] = true
		}
		largest = max(largest, len(namesIn(t, after)))
	}
	if len(issuers) < 5 {
		t.Errorf("in %d years %d authorities signed, want one for each eight months", 4000/4*24/24/365, len(issuers))
	}
	if largest != 2 {
		t.Errorf("up to %d authorities were trusted at a time, want two while one succeeds the other", largest)
	}
	if left := len(namesIn(t, h.bundle(t))); left > 2 {
		t.Errorf("%d authorities are trusted at the end", left)
	}
}

func TestDeletingTheSecretRotatesWithoutAnInterruption(t *testing.T) {
	h := newHost(registered())
	replicas := []Certificate{h.replica(t), h.replica(t)}
	for _, c := range replicas {
		mustSync(t, c)
	}
	first := issuerOf(t, replicas[0])
	h.clock.Step(time.Hour)
	if err := h.kube.CoreV1().Secrets(testNamespace).Delete(t.Context(), SecretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		before := h.bundle(t)
		for _, c := range replicas {
			mustSync(t, c)
		}
		for i, c := range replicas {
			if err := errors.Join(h.trusts(before, c), h.trusts(h.bundle(t), c)); err != nil {
				t.Fatalf("replica %d is not trusted: %v", i, err)
			}
		}
		h.clock.Step(6 * time.Second)
	}
	for i, c := range replicas {
		if issuerOf(t, c) == first {
			t.Errorf("replica %d still serves a certificate of the authority that was taken away", i)
		}
	}
	if !slices.Contains(namesIn(t, h.bundle(t)), first) {
		t.Error("the old authority is not trusted any more, though others may still serve its certificates")
	}
	h.clock.Step(31 * day)
	mustSync(t, replicas[0])
	if slices.Contains(namesIn(t, h.bundle(t)), first) {
		t.Error("the old authority is trusted although all its certificates have ended")
	}
}

func TestTheRegistrationIsRepaired(t *testing.T) {
	stranger := selfSigned(t)
	for name, change := range map[string]func(*apiregistrationv1.APIServiceSpec){
		"when it is emptied":              func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = nil },
		"when it trusts somebody else":    func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = stranger.Cert },
		"when it trusts a stranger, too":  func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = append(s.CABundle, stranger.Cert...) },
		"when it is not even PEM":         func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = []byte("trust me") },
		"when verification is turned off": func(s *apiregistrationv1.APIServiceSpec) { s.CABundle, s.InsecureSkipTLSVerify = nil, true },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(registered())
			c := h.replica(t)
			mustSync(t, c)
			want := h.bundle(t)
			h.setBundle(t, change)
			mustSync(t, c)
			if got := h.bundle(t); !bytes.Equal(got, want) {
				t.Errorf("it is %q, want %q", got, want)
			}
		})
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	t.Run("a registration that leads to another server", func(t *testing.T) {
		other := registered()
		other.Spec.Service.Name = "somebody-else"
		other.Spec.CABundle = []byte("theirs")
		h := newHost(other)
		mustSync(t, h.replica(t))
		if got := string(h.bundle(t)); got != "theirs" {
			t.Errorf("it trusts %q now", got)
		}
	})
	t.Run("a registration that was taken away", func(t *testing.T) {
		h := newHost()
		c := h.replica(t)
		mustSync(t, c)
		_, err := h.registry.ApiregistrationV1().APIServices().Get(t.Context(), testAPI, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want it to stay away", err)
		}
		if err := c.Check(nil); err != nil {
			t.Errorf("without a registration the server is not ready: %v", err)
		}
	})
}

func TestADamagedSecretIsReplaced(t *testing.T) {
	for name, change := range map[string]func(map[string][]byte){
		"the key is lost":         func(data map[string][]byte) { delete(data, servingcert.KeysKey) },
		"the certificate is lost": func(data map[string][]byte) { delete(data, CertificatesKey) },
		"both are noise": func(data map[string][]byte) {
			data[CertificatesKey], data[servingcert.KeysKey] = []byte("noise"), []byte("noise")
		},
		"the key is another's": func(data map[string][]byte) { data[servingcert.KeysKey] = selfSigned(t).Key },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(registered())
			running := h.replica(t)
			mustSync(t, running)
			secrets := h.kube.CoreV1().Secrets(testNamespace)
			stored, err := secrets.Get(t.Context(), SecretName, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			change(stored.Data)
			if _, err := secrets.Update(t.Context(), stored, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			started := h.replica(t)
			for range 3 {
				mustSync(t, running)
				mustSync(t, started)
				h.clock.Step(16 * time.Second)
			}
			if err := errors.Join(h.trusts(h.bundle(t), running), h.trusts(h.bundle(t), started)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReplicasThatStartTogetherAgree(t *testing.T) {
	h := newHost(registered())
	first, second := h.replica(t), h.replica(t)
	// The second one stores its authority between the first one's look, which
	// finds none, and its write.
	mustSync(t, second)
	looked := false
	h.kube.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if looked {
			return false, nil, nil
		}
		looked = true
		return true, nil, apierrors.NewNotFound(corev1.Resource("secrets"), SecretName)
	})
	mustSync(t, first)
	if issuerOf(t, first) != issuerOf(t, second) {
		t.Error("each replica has an authority of its own")
	}
	for _, c := range []Certificate{first, second} {
		if err := h.trusts(h.bundle(t), c); err != nil {
			t.Error(err)
		}
	}
}

func TestReadiness(t *testing.T) {
	h := newHost(registered())
	forbidden := apierrors.NewForbidden(corev1.Resource("secrets"), SecretName, errors.New("no role"))
	denied := true
	h.kube.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return denied, nil, forbidden
	})
	c := h.replica(t)
	if err := c.Check(nil); !errors.Is(err, servingcert.ErrNotIssued) {
		t.Errorf("at the beginning: %v", err)
	}
	if err := c.RunOnce(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want to hear that the Secret is out of reach", err)
	}
	if err := c.Check(nil); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), SecretName) {
		t.Errorf("got %v, want an error that names what is forbidden", err)
	}
	if cert, _ := c.CurrentCertKeyContent(); len(cert) == 0 {
		t.Error("nothing is served: probes would not get an answer")
	}
	denied = false
	mustSync(t, c)
	if err := c.Check(nil); err != nil {
		t.Error(err)
	}
	denied = true
	h.clock.Step(31 * day)
	if err := c.RunOnce(t.Context()); err == nil {
		t.Fatal("the Secret should be out of reach")
	}
	if err := c.Check(nil); err == nil || !strings.Contains(err.Error(), "ended at") {
		t.Errorf("got %v, want to hear that the certificate ended", err)
	}
}

// listener counts notices.
type listener struct{ told int }

func (l *listener) Enqueue() { l.told++ }

func TestListenersHearOfEachCertificate(t *testing.T) {
	h := newHost(registered())
	c := h.replica(t)
	heard := &listener{}
	c.AddListener(heard)
	mustSync(t, c)
	mustSync(t, c)
	if heard.told != 1 {
		t.Errorf("told %d times of one certificate", heard.told)
	}
	h.clock.Step(21 * day)
	mustSync(t, c)
	if heard.told != 2 {
		t.Errorf("told %d times of two certificates", heard.told)
	}
}
