// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package roles

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/pm/resources"
)

// Load reads a file's content. Unknown and duplicate keys, unknown roles and
// bindings without a subject are errors.
func Load(data []byte) (*Mapping, error) {
	document, err := onlyDocument(data)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var mapping Mapping
	unknown, err := json.UnmarshalStrict(asJSON, &mapping)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if err := mapping.validate().ToAggregate(); err != nil {
		return nil, err
	}
	mapping.namespaced = sets.New[string]()
	for _, resource := range resources.All() {
		if resource.Namespaced() {
			mapping.namespaced.Insert(resource.Plural)
		}
	}
	return &mapping, nil
}

// onlyDocument refuses a second document, whose bindings would be ignored without
// a word.
func onlyDocument(data []byte) ([]byte, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var first []byte
	for {
		document, err := documents.Read()
		switch {
		case errors.Is(err, io.EOF):
			return first, nil
		case err != nil:
			return nil, err
		case first != nil:
			return nil, errors.New("the file holds several documents: put all bindings into one")
		}
		first = document
	}
}

func (m *Mapping) validate() field.ErrorList {
	var errs field.ErrorList
	if m.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), m.APIVersion, []string{APIVersion}))
	}
	if m.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), m.Kind, []string{Kind}))
	}
	for i := range m.Bindings {
		errs = append(errs, m.Bindings[i].validate(field.NewPath("bindings").Index(i))...)
	}
	return errs
}

func (b *Binding) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch b.Role {
	case View, Edit, Admin:
	default:
		errs = append(errs, field.NotSupported(path.Child("role"), b.Role, []Role{View, Edit, Admin}))
	}
	if len(b.Users)+len(b.Groups) == 0 {
		errs = append(errs, field.Required(path, "name a user in users or a group in groups"))
	}
	errs = append(errs, validateSubjects(path.Child("users"), b.Users, user.Anonymous)...)
	errs = append(errs, validateSubjects(path.Child("groups"), b.Groups, user.AllUnauthenticated)...)
	// An empty list would read as no namespace and mean all of them.
	if b.Namespaces != nil && len(b.Namespaces) == 0 {
		errs = append(errs, field.Invalid(path.Child("namespaces"), b.Namespaces, "name a namespace, or leave the field out for all namespaces"))
	}
	for i, namespace := range b.Namespaces {
		for _, message := range content.IsDNS1123Label(namespace) {
			errs = append(errs, field.Invalid(path.Child("namespaces").Index(i), namespace, message))
		}
	}
	return errs
}

// validateSubjects refuses the name that stands for everybody who did not say
// who they are: the server would be open.
func validateSubjects(path *field.Path, names []string, nobody string) field.ErrorList {
	var errs field.ErrorList
	for i, name := range names {
		switch {
		case strings.TrimSpace(name) != name || name == "":
			errs = append(errs, field.Invalid(path.Index(i), name, "must not be empty and must not begin or end with white space"))
		case name == nobody:
			errs = append(errs, field.Invalid(path.Index(i), name, "clients that are not known get no role; "+user.AllAuthenticated+" are all that are known"))
		}
	}
	return errs
}
