// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiversion "k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/yaml"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/version"
)

// VersionOptions are the flags of kubectl oaas version.
type VersionOptions struct {
	*shared

	// Client leaves the server out.
	Client bool
	// Output is empty, json or yaml.
	Output string
}

// Versions is what kubectl oaas version prints with -o.
type Versions struct {
	// Client is the build of this program.
	Client version.Info `json:"client"`
	// Server is what the cluster runs; absent when it was not asked or does not
	// answer.
	Server *ServerVersions `json:"server,omitempty"`
}

// ServerVersions is what a cluster runs.
type ServerVersions struct {
	// Kubernetes is the version of the API server.
	Kubernetes string `json:"kubernetes"`
	// PackageManager is "Available", or "Not available: " and why.
	PackageManager string `json:"packageManager"`
	// API is the group and version that this program speaks.
	API string `json:"api"`
}

func newVersionCommand(common *shared) *cobra.Command {
	o := &VersionOptions{shared: common}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of this program and of the server",
		GroupID: groupInspect,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    run(o),
	}
	cmd.Flags().BoolVar(&o.Client, "client", false, "leave the server out")
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "json or yaml")
	return cmd
}

// Complete has nothing to do.
func (o *VersionOptions) Complete(*cobra.Command, []string) error { return nil }

// Validate refuses an unknown output.
func (o *VersionOptions) Validate() error { return validateOutput(o.Output, "json", "yaml") }

// Run prints the versions; a server that does not answer is told on the error
// output and makes the command fail after the client's version was printed.
func (o *VersionOptions) Run(cmd *cobra.Command) error {
	versions := Versions{Client: version.Get()}
	var serverErr error
	if !o.Client {
		versions.Server, serverErr = o.server(cmd)
	}
	if err := writeVersions(o.Out, versions, o.Output); err != nil {
		return err
	}
	return serverErr
}

func (o *VersionOptions) server(cmd *cobra.Command) (*ServerVersions, error) {
	config, err := o.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig (--client leaves the server out): %w", err)
	}
	c, err := newConnection(config, "", false)
	if err != nil {
		return nil, err
	}
	body, err := c.discovery.RESTClient().Get().AbsPath("/version").DoRaw(cmd.Context())
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version (--client leaves the server out): %w", c.host, err)
	}
	var kubernetes apiversion.Info
	if err := json.Unmarshal(body, &kubernetes); err != nil {
		return nil, fmt.Errorf("reading the version of %s: %w", c.host, err)
	}
	out := &ServerVersions{Kubernetes: kubernetes.GitVersion, API: pmv1alpha1.SchemeGroupVersion.String()}
	out.PackageManager = c.packageManagerState(cmd.Context())
	return out, nil
}

// packageManagerState asks the API itself: an APIService notices only after a
// while that its server is gone, but then it knows why.
func (c *connection) packageManagerState(ctx context.Context) string {
	err := c.checkServed(ctx)
	if err == nil {
		return "Available"
	}
	services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	service, getErr := c.dynamic.Resource(services).Get(ctx, "v1alpha1."+pmv1alpha1.GroupName, metav1.GetOptions{})
	if getErr == nil {
		if reason := whyUnavailable(service); reason != "" {
			return "Not available: " + reason
		}
	}
	return "Not available: " + err.Error()
}

// whyUnavailable is what the Available condition of an APIService says when it is
// not True.
func whyUnavailable(service *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(service.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if ok && condition["type"] == "Available" && condition["status"] != "True" {
			return fmt.Sprintf("%v: %v", condition["reason"], condition["message"])
		}
	}
	return ""
}

func writeVersions(out io.Writer, v Versions, output string) error {
	var data []byte
	var err error
	switch output {
	case "json":
		data, err = json.MarshalIndent(v, "", "  ")
		data = append(data, '\n')
	case "yaml":
		data, err = yaml.Marshal(v)
	default:
		text := fmt.Sprintf("Client:          %s\n", v.Client)
		if v.Server != nil {
			text += fmt.Sprintf("Kubernetes:      %s\nPackage Manager: %s (%s)\n", v.Server.Kubernetes, v.Server.PackageManager, v.Server.API)
		}
		data = []byte(text)
	}
	if err != nil {
		return fmt.Errorf("writing the versions as %s: %w", output, err)
	}
	if _, err := out.Write(data); err != nil {
		return fmt.Errorf("writing the versions: %w", err)
	}
	return nil
}
