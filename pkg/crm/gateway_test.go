// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/crm/config"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// caller speaks HTTP to a program.
type caller struct {
	*http.Client

	base string
	// headers of every request.
	headers http.Header
}

func plainCaller(p *program) *caller {
	return &caller{Client: http.DefaultClient, base: "http://" + p.settings.GRPCAddress, headers: http.Header{}}
}

// call sends a body, if any, and returns the status and what the server answered.
func (c *caller) call(t *testing.T, method, target, body string) (int, []byte) {
	t.Helper()
	code, answer, err := c.try(t.Context(), method, target, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return code, answer
}

func (c *caller) try(ctx context.Context, method, target, body string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+target, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = c.headers.Clone()
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// expect sends a body, if any, and reads the answer into a message.
func (c *caller) expect(t *testing.T, method, target, body string, code int, into proto.Message) {
	t.Helper()
	got, answer := c.call(t, method, target, body)
	if got != code {
		t.Fatalf("%s %s answers %d, want %d: %s", method, target, got, code, answer)
	}
	if err := protojson.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s answers what is no %T: %v: %s", method, target, into, err, answer)
	}
}

func jsonOf(t *testing.T, message proto.Message) string {
	t.Helper()
	encoded, err := protojson.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestHTTPRoutes(t *testing.T) {
	namespace := newNamespace(t, newClient(t))
	p := startProgram(t)
	c := plainCaller(p)

	health := &crmv1.GetClusterHealthResponse{}
	c.expect(t, http.MethodGet, "/api/v1/health", "", http.StatusOK, health)
	if health.GetCrmVersion() == "" || health.GetKubernetesVersion() == "" {
		t.Errorf("health = %v, want the versions", health)
	}

	unit := newUnit(namespace)
	deployed := &deploymentv1.DeployResponse{}
	c.expect(t, http.MethodPost, "/api/v1/deployments?dry_run=true", jsonOf(t, unit), http.StatusOK, deployed)
	c.expect(t, http.MethodGet, "/api/v1/deployments/"+unit.GetId(), "", http.StatusNotFound, &spb.Status{})
	for _, want := range []deploymentv1.DeployOutcome{deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED, deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED} {
		c.expect(t, http.MethodPost, "/api/v1/deployments", jsonOf(t, unit), http.StatusOK, deployed)
		if deployed.GetOutcome() != want || deployed.GetDeploymentId() != unit.GetId() {
			t.Errorf("deployed %v as %q, want %v as %q", deployed.GetOutcome(), deployed.GetDeploymentId(), want, unit.GetId())
		}
	}
	for _, route := range []string{"/api/v1/deployments/", "/api/v1/deployment-records/"} {
		record := &deploymentv1.DeploymentRecord{}
		c.expect(t, http.MethodGet, route+unit.GetId(), "", http.StatusOK, record)
		if record.GetUnit().GetClassKey() != unit.GetClassKey() || record.GetNamespace() != namespace {
			t.Errorf("%s answers %v", route, record)
		}
	}
	state := &deploymentv1.GetDeploymentStatusResponse{}
	c.expect(t, http.MethodGet, "/api/v1/deployments/"+unit.GetId()+"/status", "", http.StatusOK, state)
	if state.GetDeploymentId() != unit.GetId() {
		t.Errorf("status of %q, want %q", state.GetDeploymentId(), unit.GetId())
	}

	gone := &deploymentv1.DeleteDeploymentResponse{}
	c.expect(t, http.MethodDelete, "/api/v1/deployments/"+unit.GetId(), "", http.StatusOK, gone)
	eventually(t, "the deployment is gone", func(ctx context.Context) error {
		code, answer, err := c.try(ctx, http.MethodGet, "/api/v1/deployments/"+unit.GetId(), "")
		if err != nil {
			return terminal(err)
		}
		if code != http.StatusNotFound {
			return fmt.Errorf("answers %d: %s", code, answer)
		}
		return nil
	})
}

// What is rendered is what is then made, and rendering makes nothing.
func TestWhatIsRenderedIsWhatIsMade(t *testing.T) {
	kubernetes := newClient(t)
	namespace := newNamespace(t, kubernetes)
	p := startProgram(t)
	c := plainCaller(p)
	unit := newUnit(namespace)
	rendered := &deploymentv1.RenderDeploymentResponse{}
	eventually(t, "templates are there", func(ctx context.Context) error {
		code, answer, err := c.try(ctx, http.MethodPost, "/api/v1/deployments:render", jsonOf(t, unit))
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("answers %d: %s", code, answer)
		}
		if err != nil {
			return err
		}
		return protojson.Unmarshal(answer, rendered)
	})
	if rendered.GetTemplate() != "deployment" || rendered.GetNamespace() != namespace || len(rendered.GetTemplateSelection().GetCandidates()) == 0 {
		t.Errorf("rendered %q in %q because of %v", rendered.GetTemplate(), rendered.GetNamespace(), rendered.GetTemplateSelection())
	}
	c.expect(t, http.MethodGet, "/api/v1/deployments/"+unit.GetId(), "", http.StatusNotFound, &spb.Status{})

	var want []string
	for _, manifest := range rendered.GetManifests() {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
			t.Fatalf("%v: %s", err, manifest)
		}
		want = append(want, object.GetKind()+"/"+object.GetName())
	}
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "everything is made", func(r *deploymentv1.DeploymentRecord) bool {
		for _, ref := range r.GetResourceRefs() {
			if ref.GetUid() == "" {
				return false
			}
		}
		return len(r.GetResourceRefs()) > 0
	})
	var got []string
	for _, ref := range record.GetResourceRefs() {
		got = append(got, ref.GetKind()+"/"+ref.GetName())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-rendered +made):\n%s", diff)
	}

	refused := proto.CloneOf(unit)
	refused.Template = "imaginary"
	status := &spb.Status{}
	c.expect(t, http.MethodPost, "/api/v1/deployments:render", jsonOf(t, refused), http.StatusBadRequest, status)
	if codes.Code(status.GetCode()) != codes.FailedPrecondition || !strings.Contains(status.GetMessage(), "imaginary") {
		t.Errorf("a template that is not there: %v", status)
	}
}

func TestHTTPListsAreFilteredAndPaged(t *testing.T) {
	namespace := newNamespace(t, newClient(t))
	p := startProgram(t)
	c := plainCaller(p)
	// A package of this test alone keeps the records of others out.
	pkg := namespace
	for i := range 3 {
		p.deploy(t, newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
			u.Id = fmt.Sprint(namespace, "-", i)
			u.ClassDeployment = u.GetId()
			u.PackageName, u.ClassKey, u.Environment = pkg, fmt.Sprint("Class", i%2), fmt.Sprint("env", i)
			u.FunctionContainers = nil
		}))
	}
	eventually(t, "all records run", func(ctx context.Context) error {
		_, answer, err := c.try(ctx, http.MethodGet, "/api/v1/deployment-records?status=Running&package="+pkg, "")
		list := &deploymentv1.ListDeploymentRecordsResponse{}
		if err = errors.Join(err, protojson.Unmarshal(answer, list)); err != nil {
			return err
		}
		if len(list.GetRecords()) != 3 {
			return fmt.Errorf("%d records run", len(list.GetRecords()))
		}
		return nil
	})
	for query, want := range map[string][]int{
		"":                  {0, 1, 2},
		"&class=Class0":     {0, 2},
		"&env=env1":         {1},
		"&status=failed":    nil,
		"&limit=2":          {0, 1},
		"&limit=2&offset=1": {1, 2},
		"&offset=2":         {2},
		"&offset=7":         nil,
	} {
		for _, route := range []string{"/api/v1/deployment-records", "/api/v1/deployments"} {
			list := &deploymentv1.ListDeploymentRecordsResponse{}
			c.expect(t, http.MethodGet, route+"?package="+pkg+query, "", http.StatusOK, list)
			var got []string
			for _, record := range list.GetRecords() {
				got = append(got, record.GetUnit().GetId())
			}
			var ids []string
			for _, i := range want {
				ids = append(ids, fmt.Sprint(namespace, "-", i))
			}
			if fmt.Sprint(got) != fmt.Sprint(ids) {
				t.Errorf("%s with %q lists %v, want %v", route, query, got, ids)
			}
		}
	}
}

func TestHTTPErrorsAreThoseOfCalls(t *testing.T) {
	c := plainCaller(startProgram(t))
	for sentence, test := range map[string]struct {
		method, target, body string
		http                 int
		code                 codes.Code
		text                 string
	}{
		"what is not there":                  {http.MethodGet, "/api/v1/deployments/nobody", "", http.StatusNotFound, codes.NotFound, `"nobody"`},
		"a unit that is wrong":               {http.MethodPost, "/api/v1/deployments", `{"id":"-"}`, http.StatusBadRequest, codes.InvalidArgument, "unit.id"},
		"a field that is misspelt":           {http.MethodPost, "/api/v1/deployments", `{"idd":"x"}`, http.StatusBadRequest, codes.InvalidArgument, "idd"},
		"what is no JSON":                    {http.MethodPost, "/api/v1/deployments", `id: x`, http.StatusBadRequest, codes.InvalidArgument, "syntax error"},
		"a filter that is none":              {http.MethodGet, "/api/v1/deployments?state=x", "", http.StatusBadRequest, codes.InvalidArgument, "state"},
		"a status that is none":              {http.MethodGet, "/api/v1/deployments?status=Great", "", http.StatusBadRequest, codes.InvalidArgument, "Great"},
		"a page that is too large":           {http.MethodGet, "/api/v1/deployments?limit=5000", "", http.StatusBadRequest, codes.InvalidArgument, "page_size"},
		"a page before the first":            {http.MethodGet, "/api/v1/deployments?offset=-1", "", http.StatusBadRequest, codes.InvalidArgument, "offset"},
		"a route that is none":               {http.MethodGet, "/api/v2/deployments", "", http.StatusNotFound, codes.NotFound, "/api/v1/"},
		"deleting what is not there is fine": {http.MethodDelete, "/api/v1/deployments/nobody", "", http.StatusOK, codes.OK, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			status := &spb.Status{}
			if test.code == codes.OK {
				c.expect(t, test.method, test.target, test.body, test.http, &deploymentv1.DeleteDeploymentResponse{})
				return
			}
			c.expect(t, test.method, test.target, test.body, test.http, status)
			if codes.Code(status.GetCode()) != test.code || !strings.Contains(status.GetMessage(), test.text) {
				t.Errorf("status is %v: %q, want %v with %q", codes.Code(status.GetCode()), status.GetMessage(), test.code, test.text)
			}
		})
	}

	status, details := &spb.Status{}, &errdetails.BadRequest{}
	c.expect(t, http.MethodPost, "/api/v1/deployments", `{"id":"-","namespace":"team"}`, http.StatusBadRequest, status)
	if len(status.GetDetails()) != 1 || status.GetDetails()[0].UnmarshalTo(details) != nil {
		t.Fatalf("details = %v, want one BadRequest", status.GetDetails())
	}
	if violations := details.GetFieldViolations(); len(violations) == 0 || violations[0].GetField() != "unit.id" {
		t.Errorf("violations = %v, want unit.id first", violations)
	}

	c.headers.Set("Origin", "https://elsewhere.example")
	if code, answer := c.call(t, http.MethodPost, "/api/v1/deployments", `{}`); code != http.StatusForbidden {
		t.Errorf("a page of another site gets %d: %s", code, answer)
	}
}

func TestHTTPNeedsCredentialsToo(t *testing.T) {
	p := startProgram(t, withServingCertificate(t, t.TempDir()), func(s *config.Config) { s.Profile = config.ProfileEdge })
	trusting := &http.Transport{TLSClientConfig: trusting(t), ForceAttemptHTTP2: true}
	defer trusting.CloseIdleConnections()
	c := &caller{Client: &http.Client{Transport: trusting}, base: "https://" + p.settings.GRPCAddress, headers: http.Header{}}
	for sentence, test := range map[string]struct{ token, text string }{
		"without a token":             {"", "no credentials"},
		"with a token that is forged": {"Bearer forged", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if c.headers.Del("Authorization"); test.token != "" {
				c.headers.Set("Authorization", test.token)
			}
			status := &spb.Status{}
			c.expect(t, http.MethodGet, "/api/v1/deployments", "", http.StatusUnauthorized, status)
			if codes.Code(status.GetCode()) != codes.Unauthenticated || !strings.Contains(status.GetMessage(), test.text) {
				t.Errorf("status = %v, want UNAUTHENTICATED with %q", status, test.text)
			}
		})
	}
}

func TestHTTPWithMutualTLSAdmitsNamedCallersOnly(t *testing.T) {
	dir := t.TempDir()
	p := startProgram(t, withServingCertificate(t, dir), func(s *config.Config) {
		s.Security.MTLS = true
		s.Security.ClientCAFile = kube.CAPath()
	})
	for _, http2 := range []bool{false, true} {
		for user, want := range map[string]int{"oaas-package-manager": http.StatusOK, "somebody-else": http.StatusForbidden, "": 0} {
			t.Run(fmt.Sprintf("%q over HTTP/2 %t", user, http2), func(t *testing.T) {
				tlsConfig := trusting(t)
				if user != "" {
					tlsConfig.Certificates = []tls.Certificate{clientCertificate(t, dir, user)}
				}
				transport := &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: http2}
				defer transport.CloseIdleConnections()
				c := &caller{Client: &http.Client{Transport: transport}, base: "https://" + p.settings.GRPCAddress, headers: http.Header{}}
				code, answer, err := c.try(t.Context(), http.MethodGet, "/api/v1/deployments", "")
				if code != want || (err != nil) != (want == 0) {
					t.Errorf("answers %d (%v): %s, want %d", code, err, answer, want)
				}
			})
		}
	}
}

func TestGRPCWeb(t *testing.T) {
	namespace := newNamespace(t, newClient(t))
	p := startProgram(t)
	const service = "/oaas.deployment.v1.DeploymentService/"
	base := "http://" + p.settings.GRPCAddress + service
	deploy := connect.NewClient[deploymentv1.DeployRequest, deploymentv1.DeployResponse](http.DefaultClient, base+"Deploy", connect.WithGRPCWeb())
	watch := connect.NewClient[deploymentv1.WatchDeploymentRecordsRequest, deploymentv1.WatchDeploymentRecordsResponse](
		http.DefaultClient, base+"WatchDeploymentRecords", connect.WithGRPCWeb())

	unit := newUnit(namespace)
	answer, err := deploy.CallUnary(t.Context(), connect.NewRequest(&deploymentv1.DeployRequest{Unit: unit}))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Msg.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
		t.Errorf("outcome = %v, want CREATED", answer.Msg.GetOutcome())
	}

	_, err = deploy.CallUnary(t.Context(), connect.NewRequest(&deploymentv1.DeployRequest{Unit: &deploymentv1.DeploymentUnit{}}))
	if refused := new(connect.Error); !errors.As(err, &refused) || refused.Code() != connect.CodeInvalidArgument || len(refused.Details()) != 1 {
		t.Errorf("an empty unit: %v, want INVALID_ARGUMENT with one detail", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := watch.CallServerStream(ctx, connect.NewRequest(&deploymentv1.WatchDeploymentRecordsRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		if stream.Msg().GetRecord().GetUnit().GetId() == unit.GetId() {
			return
		}
	}
	t.Errorf("the watch ends without the record: %v", stream.Err())
}

// A frame made by hand shows what is on the wire: gRPC-web over HTTP/1.1 has its
// status in the last frame of the body.
func TestGRPCWebOnTheWire(t *testing.T) {
	p := startProgram(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+p.settings.GRPCAddress+"/oaas.deployment.v1.DeploymentService/ListDeploymentRecords", bytes.NewReader(make([]byte, 5)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc-web+proto")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/grpc-web+proto" {
		t.Errorf("answers %d of %q", response.StatusCode, response.Header.Get("Content-Type"))
	}
	if trailer := bytes.LastIndexByte(body, 0x80); trailer < 0 || !strings.Contains(strings.ToLower(string(body[trailer:])), "grpc-status: 0") &&
		!strings.Contains(strings.ToLower(string(body[trailer:])), "grpc-status:0") {
		t.Errorf("body = %q, want a trailer with grpc-status 0", body)
	}
}
