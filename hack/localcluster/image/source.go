// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package image

const (
	// Version is the tag of the images of this repository.
	Version = "v0.1.0"
	// Registry is the prefix of their names. Nothing is ever pulled from there.
	Registry = "oaas.io"

	repositoryModule = "oaas.io/oaas"
)

// Source says what an image is built from.
type Source struct {
	// Reference is the image's full name with tag.
	Reference string
	// Name of the program in the image.
	Name string
	// Package is the import path of the program.
	Package string
	// Module is the folder of the program's module in the repository, with
	// slashes; empty for the repository's own module.
	Module string
}

// Function is what the examples run.
func Function() Source { return own("function", repositoryModule+"/artifacts/images/function") }

// ODGM stands in for a node of the data grid.
func ODGM() Source { return own("odgm", repositoryModule+"/test/odgm") }

// Pause holds the namespaces of a pod.
func Pause() Source { return own("pause", repositoryModule+"/artifacts/images/pause") }

// APIServer is the Package Manager's aggregated API server.
func APIServer() Source { return own("apiserver", repositoryModule+"/cmd/apiserver") }

// CRM is the Class Runtime Manager.
func CRM() Source { return own("crm", repositoryModule+"/cmd/crm") }

// CoreDNS answers for the names of services.
func CoreDNS() Source {
	const module = "hack/localcluster/binaries/coredns"
	s := own("coredns", repositoryModule+"/"+module)
	s.Module = module
	return s
}

func own(name, pkg string) Source {
	return Source{Reference: Registry + "/" + name + ":" + Version, Name: name, Package: pkg}
}
