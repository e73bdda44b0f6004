// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package etcdauth

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/pki"
)

const (
	prefix = "/registry/pm.oaas.io"
	within = time.Minute
)

// etcd is one that asks for certificates, user names and passwords.
type etcd struct {
	*testing.T
	// root may do everything.
	root *clientv3.Client
	to   storagebackend.TransportConfig
	dir  string
}

// freeAddress is one that nobody listens on, out of the range that outgoing
// connections take theirs from.
func freeAddress(t *testing.T) url.URL {
	t.Helper()
	const loopback = "127.0.0.1"
	port, err := cluster.FreePort(loopback)
	if err != nil {
		t.Fatal(err)
	}
	return url.URL{Scheme: "https", Host: net.JoinHostPort(loopback, strconv.Itoa(port))}
}

func startEtcd(t *testing.T) etcd {
	t.Helper()
	e := etcd{T: t, dir: t.TempDir()}
	authority, err := pki.NewAuthority("etcd", time.Now(), time.Hour)
	e.check(err)
	e.check(os.WriteFile(e.path("ca.crt"), authority.Cert, 0o600))
	pair, err := authority.Issue(pki.Request{User: "root", Hosts: []string{"127.0.0.1"}, Client: true, Lifetime: time.Hour}, time.Now())
	e.check(err)
	e.check(pair.Write(e.path("tls.crt"), e.path("tls.key")))

	config := embed.NewConfig()
	config.Dir, config.LogLevel = e.path("data"), "fatal"
	config.ListenClientUrls = []url.URL{freeAddress(t)}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls, config.AdvertisePeerUrls = nil, []url.URL{{Scheme: "unix", Path: "/peer.sock"}}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.ClientTLSInfo.CertFile, config.ClientTLSInfo.KeyFile = e.path("tls.crt"), e.path("tls.key")
	config.ClientTLSInfo.TrustedCAFile, config.ClientTLSInfo.ClientCertAuth = e.path("ca.crt"), true
	running, err := embed.StartEtcd(config)
	e.check(err)
	t.Cleanup(running.Close)
	select {
	case <-running.Server.ReadyNotify():
	case <-time.After(within):
		t.Fatal("etcd does not start")
	}
	e.to = storagebackend.TransportConfig{
		ServerList: []string{config.ListenClientUrls[0].String()},
		CertFile:   e.path("tls.crt"), KeyFile: e.path("tls.key"), TrustedCAFile: e.path("ca.crt"),
	}

	e.root = e.client("", "")
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := e.root.UserAdd(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := e.root.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := e.root.RoleAdd(ctx, "oaas"); return err },
		func(ctx context.Context) error {
			_, err := e.root.RoleGrantPermission(ctx, "oaas", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func(ctx context.Context) error { _, err := e.root.AuthEnable(ctx); return err },
	} {
		e.check(do(t.Context()))
	}
	e.root = e.client("root", "root")
	e.addUser("oaas", "secret")
	return e
}

func (e etcd) path(name string) string { return filepath.Join(e.dir, name) }

func (e etcd) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e etcd) client(name, password string) *clientv3.Client {
	e.Helper()
	config, err := ClientConfig(e.to, name, password)
	e.check(err)
	client, err := clientv3.New(config)
	e.check(err)
	e.Cleanup(func() { _ = client.Close() })
	return client
}

func (e etcd) addUser(name, password string) {
	e.Helper()
	_, err := e.root.UserAdd(e.Context(), name, password)
	e.check(err)
	_, err = e.root.UserGrantRole(e.Context(), name, "oaas")
	e.check(err)
}

// files are those of the flags.
func (e etcd) files(name, password string) *Options {
	e.Helper()
	e.check(os.WriteFile(e.path("username"), []byte(name+"\n"), 0o600))
	e.check(os.WriteFile(e.path("password"), []byte(password+"\n"), 0o600))
	return &Options{UsernameFile: e.path("username"), PasswordFile: e.path("password")}
}

// through is a client that knows no user, as storage does.
func (e etcd) through(options *Options, clock clock.WithDelayedExecution) *clientv3.Client {
	e.Helper()
	proxy, err := start(e.Context(), options, e.to, clock)
	e.check(err)
	e.Cleanup(proxy.Close)
	to := proxy.Transport()
	if to.CertFile != "" || to.KeyFile != "" || to.TrustedCAFile != "" {
		e.Errorf("storage is told to show certificates to the proxy: %+v", to)
	}
	dial, err := to.EgressLookup(egressselector.Etcd.AsNetworkContext())
	e.check(err)
	client, err := clientv3.New(clientv3.Config{
		Endpoints: to.ServerList, DialTimeout: within, Logger: nil,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dial(ctx, "tcp", address)
		})},
	})
	e.check(err)
	e.Cleanup(func() { _ = client.Close() })
	return client
}

func (e etcd) put(client *clientv3.Client, key, value string) {
	e.Helper()
	_, err := client.Put(e.Context(), key, value)
	e.check(err)
}

func (e etcd) expect(watched clientv3.WatchChan, value string) {
	e.Helper()
	select {
	case response := <-watched:
		e.check(response.Err())
		if len(response.Events) != 1 || string(response.Events[0].Kv.Value) != value {
			e.Errorf("the watch got %v, want %s", response.Events, value)
		}
	case <-time.After(within):
		e.Fatalf("the watch waits in vain for %s", value)
	}
}

func (e etcd) eventually(what string, condition func() bool) {
	e.Helper()
	err := wait.PollUntilContextTimeout(e.Context(), 20*time.Millisecond, within, true, func(context.Context) (bool, error) {
		return condition(), nil
	})
	if err != nil {
		e.Fatalf("waited in vain: %s", what)
	}
}

func TestCallsAreThoseOfTheUser(t *testing.T) {
	e := startEtcd(t)
	client := e.through(e.files("oaas", "secret"), clock.RealClock{})
	watched := client.Watch(clientv3.WithRequireLeader(t.Context()), prefix, clientv3.WithPrefix())
	e.put(client, prefix+"/a", "1")
	e.expect(watched, "1")

	large := strings.Repeat("x", 1<<20)
	e.put(client, prefix+"/large", large)
	e.expect(watched, large)
	got, err := client.Get(t.Context(), prefix+"/large")
	e.check(err)
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != large {
		t.Error("a large value is read differently from how it was written")
	}
	answer, err := client.Txn(t.Context()).If(clientv3.Compare(clientv3.ModRevision(prefix+"/a"), "=", 0)).
		Then(clientv3.OpPut(prefix+"/a", "2")).Else(clientv3.OpGet(prefix + "/a")).Commit()
	e.check(err)
	if answer.Succeeded || string(answer.Responses[0].GetResponseRange().Kvs[0].Value) != "1" {
		t.Errorf("a transaction answered %+v", answer)
	}
	lease, err := client.Grant(t.Context(), 60)
	e.check(err)
	if _, err := client.KeepAliveOnce(t.Context(), lease.ID); err != nil {
		t.Errorf("a lease is not renewed: %v", err)
	}
	if _, err := client.Status(t.Context(), endpoint); err != nil {
		t.Errorf("the size of the database is not known: %v", err)
	}
	if _, err := client.Put(t.Context(), "/of/others", "1"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a write outside the user's keys: got %v, want etcd's own error", err)
	}
}

func TestATokenThatEtcdForgotIsRenewed(t *testing.T) {
	e := startEtcd(t)
	client := e.through(e.files("oaas", "secret"), clock.RealClock{})
	e.put(client, prefix+"/a", "1")
	// A change of the password makes all tokens of the user void.
	_, err := e.root.UserChangePassword(t.Context(), "oaas", "secret")
	e.check(err)
	e.put(client, prefix+"/a", "2")
	watched := client.Watch(t.Context(), prefix, clientv3.WithPrefix())
	e.put(client, prefix+"/a", "3")
	e.expect(watched, "3")
}

func TestAnotherUserTakesOverWithoutAnInterruption(t *testing.T) {
	e := startEtcd(t)
	passed := clocktesting.NewFakeClock(time.Now())
	client := e.through(e.files("oaas", "secret"), passed)
	watched := client.Watch(t.Context(), prefix, clientv3.WithPrefix())
	e.put(client, prefix+"/a", "1")
	e.expect(watched, "1")

	e.addUser("next", "other")
	e.files("next", "wrong")
	e.put(client, prefix+"/a", "2")
	e.expect(watched, "2")
	e.files("next", "other")
	_, err := e.root.UserRevokeRole(t.Context(), "oaas", "oaas")
	e.check(err)
	e.eventually("the new user is used", func() bool {
		_, err := client.Put(t.Context(), prefix+"/a", "3")
		return err == nil
	})
	e.expect(watched, "3")
	e.eventually("the former connection is to be closed", passed.HasWaiters)
	passed.Step(retireAfter)
	e.put(client, prefix+"/a", "4")
	e.expect(watched, "4")
}

func TestAUserThatEtcdDoesNotKnowIsRefusedAtTheStart(t *testing.T) {
	e := startEtcd(t)
	_, err := Start(t.Context(), e.files("oaas", "wrong"), e.to)
	if err == nil || !strings.Contains(err.Error(), `user "oaas" of --etcd-username-file`) {
		t.Errorf("got %v, want an error that names the user and the flag", err)
	}
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for sentence, test := range map[string]struct {
		options   Options
		embedded  bool
		overrides []string
		want      string
	}{
		"a name without a password":      {options: Options{UsernameFile: "x"}, want: "need each other"},
		"a password without a name":      {options: Options{PasswordFile: "x"}, want: "need each other"},
		"a user of the embedded etcd":    {options: Options{UsernameFile: "x", PasswordFile: "y"}, embedded: true, want: "--etcd-embedded"},
		"a user of other servers":        {options: Options{UsernameFile: "x", PasswordFile: "y"}, overrides: []string{"z"}, want: "--etcd-servers-overrides"},
		"nobody, and the embedded etcd":  {embedded: true},
		"a user of another etcd":         {options: Options{UsernameFile: "x", PasswordFile: "y"}},
		"nobody, and a server elsewhere": {overrides: []string{"z"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			errs := test.options.Validate(test.embedded, test.overrides)
			if test.want == "" && len(errs) > 0 || test.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), test.want)) {
				t.Errorf("got %v, want an error with %q", errs, test.want)
			}
		})
	}
	for sentence, options := range map[string]Options{
		"a file that is missing":  {UsernameFile: filepath.Join(dir, "missing"), PasswordFile: empty},
		"a file that is empty":    {UsernameFile: empty, PasswordFile: empty},
		"a password that is none": {UsernameFile: empty},
	} {
		if _, _, err := options.Read(); err == nil {
			t.Errorf("%s is accepted", sentence)
		}
	}
}
