// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/pkg/pki"
)

// Names of files in the pki folder, without suffix.
const (
	clusterCA        = "ca"
	apiServer        = "kube-apiserver"
	kubeletClient    = "kube-apiserver-kubelet-client"
	frontProxyCA     = "front-proxy-ca"
	frontProxyClient = "front-proxy-client"
	etcdCA           = "etcd-ca"
	etcdServer       = "etcd-server"
	etcdClient       = "etcd-client"
	serviceAccount   = "service-account"
)

const (
	adminUser  = "oaas-admin"
	adminGroup = "system:masters"
	// renewBefore is the remaining life at which a start makes new certificates.
	renewBefore = 7 * 24 * time.Hour
)

// credentialsValid says whether the pki folder is there and will last.
func credentialsValid(l layout, now time.Time) bool {
	for _, name := range []string{clusterCA, apiServer, frontProxyCA, frontProxyClient, etcdCA, etcdServer, etcdClient} {
		end, err := pki.ExpiresAt(l.cert(name))
		if err != nil || end.Before(now.Add(renewBefore)) {
			return false
		}
	}
	return true
}

// makeCredentials fills the pki folder anew. The folder appears complete or not
// at all.
func makeCredentials(l layout, s settings, now time.Time) error {
	if err := os.RemoveAll(l.pki()); err != nil {
		return fmt.Errorf("removing old certificates: %w", err)
	}
	temp, err := os.MkdirTemp(string(l), "pki-*")
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	w := &credentialWriter{dir: layout(temp), now: now}
	w.write(s)
	if w.err == nil {
		w.err = os.Rename(temp, l.pki())
	}
	if w.err != nil {
		return errors.Join(fmt.Errorf("making certificates: %w", w.err), os.RemoveAll(temp))
	}
	return nil
}

// credentialWriter keeps the first error, so that the list of what is made
// reads as one.
type credentialWriter struct {
	dir layout
	now time.Time
	err error
}

func (w *credentialWriter) write(s settings) {
	// Certificates of the three authorities are not interchangeable: a client of
	// the API server is no client of etcd, and neither may speak for others.
	ca := w.authority(clusterCA, "oaas-local-"+s.Name)
	w.certificate(ca, apiServer, pki.Request{User: "kube-apiserver", Hosts: []string{
		"localhost", "127.0.0.1", s.BindAddress, s.AdvertiseAddress, apiServerServiceIP,
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + ClusterDomain,
	}})
	w.certificate(ca, kubeletClient, pki.Request{User: "kube-apiserver-kubelet-client", Groups: []string{adminGroup}, Client: true})

	proxy := w.authority(frontProxyCA, "oaas-local-front-proxy-"+s.Name)
	w.certificate(proxy, frontProxyClient, pki.Request{User: frontProxyClient, Client: true})

	etcd := w.authority(etcdCA, "oaas-local-etcd-"+s.Name)
	// etcd's own gateway calls etcd as a client.
	w.certificate(etcd, etcdServer, pki.Request{User: "etcd", Hosts: []string{"localhost", loopback}, Client: true})
	w.certificate(etcd, etcdClient, pki.Request{User: "etcd-client", Client: true})

	w.signingKey()
}

func (w *credentialWriter) authority(name, commonName string) *pki.Authority {
	if w.err != nil {
		return nil
	}
	ca, err := pki.NewAuthority(commonName, w.now, pki.Lifetime)
	if err == nil {
		err = ca.Write(w.cert(name), w.key(name))
	}
	w.err = err
	return ca
}

func (w *credentialWriter) certificate(ca *pki.Authority, name string, r pki.Request) {
	if w.err != nil {
		return
	}
	pair, err := ca.Issue(r, w.now)
	if err == nil {
		err = pair.Write(w.cert(name), w.key(name))
	}
	w.err = err
}

func (w *credentialWriter) signingKey() {
	if w.err != nil {
		return
	}
	private, public, err := pki.NewSigningKey()
	if err == nil {
		err = pki.Pair{Cert: public, Key: private}.Write(w.dir.path(serviceAccount+".pub"), w.key(serviceAccount))
	}
	w.err = err
}

func (w *credentialWriter) cert(name string) string { return w.dir.path(name + ".crt") }
func (w *credentialWriter) key(name string) string  { return w.dir.path(name + ".key") }

// systemUsers are the users that the programs act as.
func systemUsers() map[binaries.Program]pki.Request {
	return map[binaries.Program]pki.Request{
		binaries.KubeControllerManager: {User: "system:kube-controller-manager", Client: true},
		binaries.KubeScheduler:         {User: "system:kube-scheduler", Client: true},
		// kwok plays kubelets, whose rights no single role describes.
		binaries.Kwok: {User: "kwok", Groups: []string{adminGroup}, Client: true},
	}
}

// kubeconfig returns the content of a kubeconfig for a new client certificate.
func (c *Cluster) kubeconfig(r pki.Request) ([]byte, error) {
	ca, err := pki.LoadAuthority(c.layout.cert(clusterCA), c.layout.key(clusterCA))
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(r, c.clock.Now())
	if err != nil {
		return nil, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[c.Name()] = &clientcmdapi.Cluster{Server: c.server(), CertificateAuthorityData: ca.Cert}
	config.AuthInfos[r.User] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	config.Contexts[c.Name()] = &clientcmdapi.Context{Cluster: c.Name(), AuthInfo: r.User}
	config.CurrentContext = c.Name()
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encoding a kubeconfig for %s: %w", r.User, err)
	}
	return content, nil
}

func (c *Cluster) writeKubeconfig(path string, r pki.Request) error {
	content, err := c.kubeconfig(r)
	if err != nil {
		return err
	}
	return writeFile(path, content)
}

// WriteKubeconfig writes a kubeconfig, readable by the owner only, that makes
// its holder the given user in the given groups.
func (c *Cluster) WriteKubeconfig(path, user string, groups ...string) error {
	return c.writeKubeconfig(path, pki.Request{User: user, Groups: groups, Client: true})
}

// IssueServingCert writes a serving certificate for the given DNS names and IP
// addresses, signed by the authority in CAPath. Its holder may call others with it,
// too, as servers do that answer and report.
func (c *Cluster) IssueServingCert(certPath, keyPath string, hosts ...string) error {
	if len(hosts) == 0 {
		return errors.New("a serving certificate needs at least one host")
	}
	ca, err := pki.LoadAuthority(c.layout.cert(clusterCA), c.layout.key(clusterCA))
	if err != nil {
		return err
	}
	pair, err := ca.Issue(pki.Request{User: hosts[0], Hosts: hosts, Client: true}, c.clock.Now())
	if err != nil {
		return err
	}
	return pair.Write(certPath, keyPath)
}
