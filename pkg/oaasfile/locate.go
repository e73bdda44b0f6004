// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Locate finds the field of the file that a field of the API comes from, such as
// spec.functions[0].provision.image, and its line. A field that the file leaves
// out is placed at its nearest parent. The server speaks of API fields; users look
// for what they wrote.
func (s Source) Locate(apiPath string) (field string, line int) {
	if s.locate == nil {
		return apiPath, s.Line
	}
	return s.locate(apiPath)
}

// locateManifest is Locate for a document whose fields are those of the API.
func locateManifest(root *yaml.Node) func(string) (string, int) {
	return func(path string) (string, int) { return path, lineOf(root, path) }
}

// locatePlain is Locate for a plain document; prefix is the path of the object in
// it, empty for the package.
func locatePlain(d *decoder, prefix string) func(string) (string, int) {
	return func(path string) (string, int) {
		own := plainPath(path, prefix)
		return own, d.at(own).line
	}
}

// plainPath translates a path of the API into one of the plain form.
func plainPath(path, prefix string) string {
	steps := splitPath(path)
	if len(steps) > 0 && steps[0] == "spec" {
		steps = steps[1:]
	}
	var out []string
	parent := ""
	for i := 0; i < len(steps); i++ {
		name, index := cutIndex(steps[i])
		switch {
		case i == 0 && name == "metadata" && len(steps) > 1 && steps[1] == "name":
			own := "name"
			if prefix != "" {
				own = "key"
			}
			out, i = append(out, own), i+1
		case i == 0 && prefix == "" && (name == "author" || name == "description" || name == "tags"):
			out = append(out, "metadata", name+index)
		case name == "resources":
			// requests[cpu] below it is cpu_request here.
		case name == "requests" || name == "limits":
			resource := strings.Trim(index, "[]")
			out = append(out, strings.TrimPrefix(resource+"_"+strings.TrimSuffix(name, "s"), "_"))
		default:
			out = append(out, plainName(parent, name)+index)
		}
		parent = name
	}
	if prefix != "" {
		out = append([]string{prefix}, out...)
	}
	return strings.Join(out, ".")
}

// plainName is the plain form's name of a field under a parent, both as the API
// names them.
func plainName(parent, name string) string {
	switch parent + "." + name {
	case "functions.type":
		return "function_type"
	case "keySpecs.type":
		return "key_type"
	case "functions.provision":
		return "provision_config"
	case "provision.image":
		return "container_image"
	case ".nfr":
		return "nfr_requirements"
	case ".templates":
		return "env_templates"
	case ".targetEnvironments":
		return "target_envs"
	}
	return snake(name)
}

// splitPath splits at dots outside brackets: keys of maps may hold dots.
func splitPath(path string) []string {
	var steps []string
	start, depth := 0, 0
	for i := range len(path) {
		switch path[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '.':
			if depth == 0 {
				steps = append(steps, path[start:i])
				start = i + 1
			}
		}
	}
	return append(steps, path[start:])
}

func cutIndex(step string) (name, index string) {
	if i := strings.IndexByte(step, '['); i >= 0 {
		return step[:i], step[i:]
	}
	return step, ""
}

// deploymentPath is the path of a deployment in its document.
func deploymentPath(i int) string { return fmt.Sprintf("deployments[%d]", i) }
