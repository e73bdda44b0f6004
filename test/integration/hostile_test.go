// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/pki"
)

// request is what a hostile client sends.
type request struct {
	method, contentType, query, name string
	body                             []byte
}

// hostileMemory is how much the server may grow by while it is attacked, in bytes.
const hostileMemory = 1 << 30

// Whatever a client sends, the answer tells what is wrong with it or does it; the
// server neither fails nor grows.
func TestHostileRequests(t *testing.T) {
	namespace := newNamespace(t)
	direct, err := hub.platform.Direct(t.Context(), platform.PackageManager, hub.config)
	if err != nil {
		t.Fatal(err)
	}
	create := func(body string) request {
		return request{method: http.MethodPost, contentType: "application/json", body: []byte(body)}
	}
	strict := func(body string) request {
		r := create(body)
		r.query = "fieldValidation=Strict"
		return r
	}
	list := func(query url.Values) request { return request{method: http.MethodGet, query: query.Encode()} }
	patched := request{method: http.MethodPatch, contentType: "application/json-patch+json", name: "target"}
	if _, err := hub.oaas.PmV1alpha1().Packages(namespace).Create(t.Context(), typedPackage("target"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	const (
		accepted = http.StatusCreated
		served   = http.StatusOK
		bad      = http.StatusBadRequest
		invalid  = http.StatusUnprocessableEntity
		tooLarge = http.StatusRequestEntityTooLarge
		// Go's HTTP server refuses what does not fit into its buffers.
		headersTooLarge = http.StatusRequestHeaderFieldsTooLarge
	)
	tests := map[string]struct {
		request request
		want    []int
	}{
		"a package of more than a MiB":                {create(bigPackage("big", 1200<<10)), []int{accepted}},
		"a package that etcd cannot hold":             {create(bigPackage("bigger", 2<<20)), []int{tooLarge}},
		"a package beyond the size of requests":       {create(bigPackage("biggest", 8<<20)), []int{tooLarge}},
		"10,000 classes":                              {create(manyClasses("many", 10_000, differently)), []int{accepted}},
		"20,000 classes":                              {create(manyClasses("more", 20_000, differently)), []int{invalid}},
		"40,000 classes with one key":                 {create(manyClasses("same", 40_000, alike)), []int{invalid}},
		"control characters in a key":                 {create(`{"metadata":{"name":"k"},"spec":{"classes":[{"key":"a\u0000\u001b[31m","stateSpec":{}}]}}`), []int{invalid}},
		"control characters in a name":                {create(`{"metadata":{"name":"a\u0000b"}}`), []int{invalid}},
		"words in every script":                       {create(`{"metadata":{"name":"words"},"spec":{"description":"ไทย 日本語 🐘 \u202e","tags":["ไทย","🐘"]}}`), []int{accepted}},
		"bytes that are no text":                      {create("{\"metadata\":{\"name\":\"bytes\"},\"spec\":{\"description\":\"\xff\xfe\"}}"), []int{accepted, bad, invalid}},
		"nothing at all":                              {create(""), []int{bad}},
		"half an object":                              {create(`{"metadata":{"name":"half"`), []int{bad}},
		"a list in place of an object":                {create(`[]`), []int{bad}},
		"an object of another kind":                   {create(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}`), []int{bad}},
		"a number in place of a text":                 {create(`{"metadata":{"name":"n"},"spec":{"version":1.0}}`), []int{bad}},
		"a number beyond 64 bits":                     {create(`{"metadata":{"name":"n"},"spec":{"functions":[{"key":"f","type":"Wasm","provision":{"wasmFuel":99999999999999999999}}]}}`), []int{bad}},
		"10,000 levels of nesting":                    {create(strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)), []int{bad, invalid}},
		"a key twice, and the client asks for care":   {strict(`{"metadata":{"name":"twice"},"spec":{"version":"1.0.0","version":"2.0.0"}}`), []int{bad}},
		"a key twice":                                 {create(`{"metadata":{"name":"twice"},"spec":{"version":"1.0.0","version":"2.0.0"}}`), []int{accepted}},
		"an unknown field, and the client asks":       {strict(`{"metadata":{"name":"unknown"},"spec":{"clases":[]}}`), []int{bad}},
		"YAML that unfolds to billions of values":     {request{method: http.MethodPost, contentType: "application/yaml", body: []byte(yamlBomb())}, []int{bad}},
		"bytes in place of protobuf":                  {request{method: http.MethodPost, contentType: "application/vnd.kubernetes.protobuf", body: []byte("k8s\x00\xff\xff\xff\xff\x0f")}, []int{bad}},
		"a content type that nobody knows":            {request{method: http.MethodPost, contentType: "text/hostile", body: []byte("x")}, []int{http.StatusUnsupportedMediaType}},
		"a JSON patch of 20,000 steps":                {with(patched, "["+strings.Repeat(`{"op":"test","path":"/kind","value":"Package"},`, 19_999)+`{"op":"test","path":"/kind","value":"Package"}]`), []int{tooLarge}},
		"a JSON patch that doubles with every step":   {with(patched, doublingPatch(40)), []int{tooLarge, bad, invalid}},
		"a JSON patch of what is not there":           {with(patched, `[{"op":"remove","path":"/spec/nothing/at/all"}]`), []int{bad, invalid}},
		"a selector of 10,000 values":                 {list(url.Values{"labelSelector": {"a in (" + strings.Repeat("x,", 10_000) + "y)"}}), []int{served, bad, headersTooLarge}},
		"a selector of 10,000 fields":                 {list(url.Values{"fieldSelector": {strings.Repeat("metadata.name=x,", 10_000) + "metadata.name=y"}}), []int{served, bad, headersTooLarge}},
		"a selector beyond the size of requests":      {list(url.Values{"labelSelector": {strings.Repeat("x", 2<<20)}}), []int{headersTooLarge, bad, http.StatusRequestURITooLong}},
		"a continue token of a million items":         {list(url.Values{"limit": {"1"}, "continue": {millionItems(1_000_000)}}), []int{headersTooLarge, bad, http.StatusRequestURITooLong}},
		"a continue token of ten thousand items":      {list(url.Values{"limit": {"1"}, "continue": {millionItems(10_000)}}), []int{bad}},
		"a continue token that leaves the resource":   {list(url.Values{"limit": {"1"}, "continue": {base64.RawURLEncoding.EncodeToString([]byte(`{"v":"meta.k8s.io/v1","rv":1,"start":"../../secrets/"}`))}}), []int{bad}},
		"a page of all there ever will be":            {list(url.Values{"limit": {strconv.FormatInt(1<<62, 10)}}), []int{served}},
		"a negative page":                             {list(url.Values{"limit": {"-1"}}), []int{served, bad, invalid}},
		"a resource version from the far future":      {list(url.Values{"resourceVersion": {"999999999999999999"}}), []int{http.StatusGatewayTimeout, bad}},
		"a resource version that is too long":         {list(url.Values{"resourceVersion": {strings.Repeat("9", 4000)}}), []int{bad, invalid}},
		"a table of columns that the server lacks":    {request{method: http.MethodGet, query: "includeObject=Everything"}, []int{served, bad}},
		"a watch that shall last for ever and a day":  {request{method: http.MethodGet, query: "watch=1&timeoutSeconds=1&resourceVersion=1"}, []int{served, http.StatusGone}},
		"a patch of managed fields that is no object": {with(request{method: http.MethodPatch, contentType: "application/apply-patch+yaml", name: "target", query: "fieldManager=x"}, "kind: [Package"), []int{bad}},
	}
	pid := hub.platform.PID(platform.PackageManager)
	before := residentBytes(t, pid)
	for _, way := range []struct {
		name   string
		config *rest.Config
	}{{"through kube-apiserver", hub.config}, {"directly", direct}} {
		client, base := httpClient(t, way.config)
		for sentence, test := range tests {
			t.Run(sentence+" "+way.name, func(t *testing.T) {
				status, answer := send(t, client, base, namespace, resources.Packages, test.request)
				if !slices.Contains(test.want, status) {
					t.Errorf("got %d, want one of %v: %.500s", status, test.want, answer)
				}
				// The next way finds the same state.
				_ = hub.oaas.PmV1alpha1().Packages(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name!=target"})
			})
		}
		for _, computed := range []string{resources.Classes, resources.Functions, resources.DeploymentRecords, resources.RuntimeStates} {
			for sentence, test := range tests {
				if test.request.method != http.MethodGet {
					continue
				}
				t.Run(computed+": "+sentence+" "+way.name, func(t *testing.T) {
					if status, answer := send(t, client, base, namespace, computed, test.request); status >= 500 && status != http.StatusGatewayTimeout {
						t.Errorf("got %d: %.500s", status, answer)
					}
				})
			}
		}
	}
	if now := hub.platform.PID(platform.PackageManager); now != pid {
		t.Errorf("the Package Manager died: process %d became %d", pid, now)
	}
	if grown := residentBytes(t, pid) - before; grown > hostileMemory {
		t.Errorf("the Package Manager grew by %d MiB", grown>>20)
	}
	if _, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(t.Context(), "target", metav1.GetOptions{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Nobody gets more than their due by asking another way.
func TestHostileIdentities(t *testing.T) {
	namespace := newNamespace(t)
	direct, err := hub.platform.Direct(t.Context(), platform.PackageManager, hub.config)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := rest.AnonymousClientConfig(direct)
	nobody := rest.CopyConfig(hub.config)
	nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody", Groups: []string{"strangers"}}
	nobodyDirect := rest.CopyConfig(direct)
	nobodyDirect.Impersonate = nobody.Impersonate

	for sentence, config := range map[string]*rest.Config{
		"a user without rights":                            nobody,
		"a user without rights, directly":                  nobodyDirect,
		"nobody in particular, directly":                   anonymous,
		"who says to be an administrator":                  withHeaders(anonymous, map[string]string{"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}),
		"who asks to be taken for an administrator":        withHeaders(anonymous, map[string]string{"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}),
		"who made the front proxy's certificate by itself": withForgedProxy(t, anonymous),
	} {
		t.Run(sentence, func(t *testing.T) {
			client, err := versioned.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			pm := client.PmV1alpha1()
			for verb, do := range map[string]func() error{
				"get packages":  func() error { _, err := pm.Packages(namespace).Get(t.Context(), "p", metav1.GetOptions{}); return err },
				"list packages": func() error { _, err := pm.Packages(namespace).List(t.Context(), metav1.ListOptions{}); return err },
				"watch packages": func() error {
					_, err := pm.Packages(namespace).Watch(t.Context(), metav1.ListOptions{})
					return err
				},
				"create packages": func() error {
					_, err := pm.Packages(namespace).Create(t.Context(), typedPackage("p"), metav1.CreateOptions{})
					return err
				},
				"delete packages": func() error { return pm.Packages(namespace).Delete(t.Context(), "p", metav1.DeleteOptions{}) },
				"list clusters":   func() error { _, err := pm.Clusters().List(t.Context(), metav1.ListOptions{}); return err },
				"list classes":    func() error { _, err := pm.Classes(namespace).List(t.Context(), metav1.ListOptions{}); return err },
				"list deployment records": func() error {
					_, err := pm.DeploymentRecords(namespace).List(t.Context(), metav1.ListOptions{})
					return err
				},
				"delete runtime states": func() error {
					return pm.RuntimeStates(namespace).Delete(t.Context(), "x", metav1.DeleteOptions{})
				},
			} {
				if err := do(); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
					t.Errorf("%s: got %v, want forbidden", verb, err)
				}
			}
		})
	}
}

func withHeaders(config *rest.Config, headers map[string]string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			for name, value := range headers {
				r.Header.Set(name, value)
			}
			return next.RoundTrip(r)
		})
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// withForgedProxy presents a certificate with the front proxy's name, from an
// authority that nobody trusts.
func withForgedProxy(t *testing.T, config *rest.Config) *rest.Config {
	t.Helper()
	authority, err := pki.NewAuthority("front-proxy-ca", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := authority.Issue(pki.Request{User: "front-proxy-client", Client: true, Lifetime: time.Minute}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	config = withHeaders(config, map[string]string{"X-Remote-User": "admin", "X-Remote-Group": "system:masters"})
	config.CertData, config.KeyData = forged.Cert, forged.Key
	return config
}

func httpClient(t *testing.T, config *rest.Config) (client *http.Client, base string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, strings.TrimSuffix(config.Host, "/")
}

func send(t *testing.T, client *http.Client, base, namespace, resource string, r request) (status int, answer []byte) {
	t.Helper()
	path := base + "/apis/pm.oaas.io/v1alpha1/namespaces/" + namespace + "/" + resource
	if r.name != "" {
		path += "/" + r.name
	}
	if r.query != "" {
		path += "?" + r.query
	}
	sent, err := http.NewRequestWithContext(t.Context(), r.method, path, bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header.Set("Accept", "application/json")
	if r.contentType != "" {
		sent.Header.Set("Content-Type", r.contentType)
	}
	response, err := client.Do(sent)
	if err != nil {
		// The server tells with the connection's settings how much it reads, and an
		// honest client sends no more.
		if refused := "request header list larger than peer's"; strings.Contains(err.Error(), refused) {
			return http.StatusRequestHeaderFieldsTooLarge, nil
		}
		t.Fatalf("%.500v", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func with(r request, body string) request {
	r.body = []byte(body)
	return r
}

// bigPackage is a package of about the given size.
func bigPackage(name string, size int) string {
	var functions []string
	value := strings.Repeat("x", 4000)
	for i := 0; i*4100 < size; i++ {
		functions = append(functions, fmt.Sprintf(`{"key":"f%d","type":"Logical","config":{"V":%q}}`, i, value))
	}
	return fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"functions":[%s]}}`, name, strings.Join(functions, ","))
}

func differently(i int) string { return fmt.Sprintf("c%05d", i) }

func alike(int) string { return "c" }

func manyClasses(name string, count int, key func(int) string) string {
	classes := make([]string, 0, count)
	for i := range count {
		classes = append(classes, fmt.Sprintf(`{"key":%q,"stateSpec":{}}`, key(i)))
	}
	return fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"classes":[%s]}}`, name, strings.Join(classes, ","))
}

func yamlBomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1)
	}
	return b.String()
}

// doublingPatch copies an annotation into ever larger ones.
func doublingPatch(steps int) string {
	var b strings.Builder
	b.WriteString(`[{"op":"add","path":"/metadata/annotations","value":{"a":"` + strings.Repeat("x", 1000) + `"}}`)
	for i := range steps {
		fmt.Fprintf(&b, `,{"op":"copy","from":"/metadata","path":"/metadata/annotations/x%d"}`, i)
	}
	return b.String() + "]"
}

func millionItems(count int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"v":"meta.k8s.io/v1","rv":1,"start":[` + strings.Repeat("1,", count-1) + "1]}"))
}

// residentBytes is the memory that a process has in use.
func residentBytes(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the process does not tell its memory")
	return 0
}

func typedPackage(name string) *v1alpha1.Package {
	return &v1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": "gold"}},
		Spec:       v1alpha1.PackageSpec{Version: "1.0.0"},
	}
}
