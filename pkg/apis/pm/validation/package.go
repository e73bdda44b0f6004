// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	"github.com/Masterminds/semver/v3"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/dependency"
)

const (
	// maxFunctionReference is a package's name, a dot and a function's key.
	maxFunctionReference = 264
	// shownKeys bounds how many keys an error message offers.
	shownKeys = 8
)

// ValidatePackage returns everything that is wrong with a new package.
func ValidatePackage(p *pm.Package) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&p.ObjectMeta, true, apivalidation.NameIsDNSLabel, field.NewPath("metadata"))
	return append(errs, validatePackageSpec(&p.Spec, p.Name, field.NewPath("spec"))...)
}

// ValidatePackageUpdate returns everything that is wrong with a changed package.
// The metadata of every update is checked before.
func ValidatePackageUpdate(updated, old *pm.Package) field.ErrorList {
	path := field.NewPath("spec")
	errs := validatePackageSpec(&updated.Spec, updated.Name, path)
	return append(errs, validateDeploymentsUpdate(updated.Spec.Deployments, old.Spec.Deployments, path.Child("deployments"))...)
}

// ValidatePackageStatusUpdate returns everything that is wrong with a changed
// status.
func ValidatePackageStatusUpdate(updated, _ *pm.Package) field.ErrorList {
	path := field.NewPath("status")
	errs := validateObservedGeneration(updated.Status.ObservedGeneration, updated.Generation, path)
	return append(errs, validateConditions(updated.Status.Conditions, path)...)
}

func validatePackageSpec(spec *pm.PackageSpec, name string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if spec.Version != "" && len(spec.Version) <= maxVersionLength {
		if _, err := semver.NewVersion(spec.Version); err != nil {
			errs = append(errs, field.Invalid(path.Child("version"), spec.Version,
				"must be a semantic version such as 1.4.0; 1 and 1.0 are accepted too"))
		}
	}
	for i, tag := range spec.Tags {
		if strings.TrimSpace(tag) == "" {
			errs = append(errs, field.Required(path.Child("tags").Index(i), "write a word or remove the tag"))
		}
	}
	errs = append(errs, validateDependencies(spec.Dependencies, name, path.Child("dependencies"))...)

	functions := functionSet{
		known:        make(map[string]struct{}, len(spec.Functions)),
		dependencies: make(map[string]struct{}, len(spec.Dependencies)),
	}
	for _, needed := range spec.Dependencies {
		functions.dependencies[needed.Name] = struct{}{}
	}
	seen := uniqueness{}
	for i := range spec.Functions {
		function, functionPath := &spec.Functions[i], path.Child("functions").Index(i)
		functions.add(function.Key)
		errs = append(errs, validateFunction(function, functionPath)...)
		errs = append(errs, seen.add(function.Key, functionPath.Child("key"))...)
	}
	classes := uniqueness{}
	for i := range spec.Classes {
		class, classPath := &spec.Classes[i], path.Child("classes").Index(i)
		errs = append(errs, validateClass(class, &functions, classPath)...)
		errs = append(errs, classes.add(class.Key, classPath.Child("key"))...)
	}
	return append(errs, validateDeployments(spec.Deployments, name, classes, path.Child("deployments"))...)
}

func validateDependencies(dependencies []pm.PackageDependency, self string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, needed := range dependencies {
		namePath := path.Index(i).Child("name")
		if self != "" && needed.Name == self {
			errs = append(errs, field.Invalid(namePath, needed.Name, "a package cannot depend on itself: remove it"))
		}
		if needed.Version != "" && len(needed.Version) <= maxVersionLength {
			if _, err := semver.NewConstraint(needed.Version); err != nil {
				errs = append(errs, field.Invalid(path.Index(i).Child("version"), needed.Version,
					`must be a range of semantic versions such as ">=1.2 <2"; leave it out to accept any`))
			}
		}
	}
	return errs
}

func validateClass(class *pm.ClassDefinition, functions *functionSet, path *field.Path) field.ErrorList {
	errs := validateKeyForm(class.Key, path.Child("key"))
	if class.StateSpec != nil {
		errs = append(errs, validateStateSpec(class.StateSpec, path.Child("stateSpec"))...)
	}

	bindingsPath := path.Child("functionBindings")
	if len(class.FunctionBindings) == 0 && class.StateSpec == nil {
		errs = append(errs, field.Required(bindingsPath, "a class has methods, state or both: bind a function or describe the state in stateSpec"))
	}
	for i := range class.FunctionBindings {
		errs = append(errs, validateBinding(&class.FunctionBindings[i], functions, bindingsPath.Index(i))...)
	}
	return errs
}

func validateStateSpec(state *pm.StateSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, key := range state.KeySpecs {
		errs = append(errs, validateKeyForm(key.Name, path.Child("keySpecs").Index(i).Child("name"))...)
	}
	return errs
}

func validateBinding(binding *pm.FunctionBinding, functions *functionSet, path *field.Path) field.ErrorList {
	errs := validateKeyForm(binding.Name, path.Child("name"))
	functionPath := path.Child("functionKey")
	if binding.FunctionKey != "" && len(binding.FunctionKey) <= maxFunctionReference && !functions.has(binding.FunctionKey) {
		errs = append(errs, functions.unknown(functionPath, binding.FunctionKey))
	}
	return append(errs, validateSet(binding.Parameters, path.Child("parameters"), validateKey)...)
}

// functionSet are the functions that a package may bind. A package may have
// thousands of both functions and bindings, so finding one must not take as many
// steps.
type functionSet struct {
	// known are the keys of the package's own functions.
	known map[string]struct{}
	// dependencies are the packages whose functions may be bound too. Whether they
	// have a function is not known here.
	dependencies map[string]struct{}
	// shown are the first few, for messages.
	shown []string
	// remedy is what to do about one that is missing: one text for all of them, since
	// a request may bind a hundred thousand. Empty until it is needed.
	remedy string
}

func (s *functionSet) add(key string) {
	s.known[key] = struct{}{}
	if len(s.shown) < shownKeys && len(key) <= maxKeyLength {
		s.shown = append(s.shown, key)
	}
}

// has is true for a function of the package itself, and for a key that may name
// one of a direct dependency.
func (s *functionSet) has(key string) bool {
	if _, own := s.known[key]; own {
		return true
	}
	name, function, ok := dependency.SplitFunctionKey(key)
	if !ok || !validKey(function) {
		return false
	}
	_, declared := s.dependencies[name]
	return declared
}

// unknown is what is wrong with binding a function that there is not. All functions
// must have been added.
func (s *functionSet) unknown(path *field.Path, key string) *field.Error {
	if s.remedy == "" {
		s.remedy = "is not a function of this package, nor <package>.<function> of one of spec.dependencies: declare it"
		if len(s.shown) > 0 {
			s.remedy += " or use one of " + strings.Join(s.shown, ", ")
			if len(s.known) > len(s.shown) {
				s.remedy += ", …"
			}
		}
	}
	return field.Invalid(path, key, s.remedy)
}
