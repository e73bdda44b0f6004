// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation says what is wrong with objects of the Package Manager's
// API. Every function returns all errors at once, each with the path of the field
// and what to do about it. Objects have been defaulted before.
package validation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxKeyLength     = 200
	maxWordLength    = 64
	maxVersionLength = 256
	maxImageLength   = 1024
	maxURLLength     = 2048
	// maxVariableLength is also the longest key in a Secret.
	maxVariableLength = 253
)

// patterns are compiled once and never change.
var (
	keyPattern      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	fractionPattern = regexp.MustCompile(`^(0(\.[0-9]{1,18})?|1(\.0{1,18})?)$`)
)

// validateKeyForm checks the name of a class, a function, a method or a part of
// the state. Keys keep the case and the dots that developers know from their code.
// That there is one, and its length, are declared.
func validateKeyForm(key string, path *field.Path) field.ErrorList {
	if key == "" || len(key) > maxKeyLength || keyPattern.MatchString(key) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, key,
		"use letters, digits, '.', '-' and '_', with a letter or a digit first and last, such as Record.echo")}
}

func validKey(key string) bool { return len(key) <= maxKeyLength && keyPattern.MatchString(key) }

// validateKey also checks that there is one, for lists of keys.
func validateKey(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "give it a name")}
	}
	return validateKeyForm(name, path)
}

func validateLabelName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return invalidFor(name, path, validation.IsDNS1123Label(name))
}

func validateSubdomainName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return invalidFor(name, path, validation.IsDNS1123Subdomain(name))
}

func invalidFor(value any, path *field.Path, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

// validateSet checks every element and that none occurs twice.
func validateSet(values []string, path *field.Path, validate func(string, *field.Path) field.ErrorList) field.ErrorList {
	var errs field.ErrorList
	seen := uniqueness{}
	for i, value := range values {
		elementErrs := validate(value, path.Index(i))
		errs = append(errs, elementErrs...)
		if len(elementErrs) == 0 {
			errs = append(errs, seen.add(value, path.Index(i))...)
		}
	}
	return errs
}

// uniqueness reports the second and later occurrences of a value.
type uniqueness map[string]struct{}

func (u uniqueness) add(value string, path *field.Path) field.ErrorList {
	if _, found := u[value]; found {
		return field.ErrorList{field.Duplicate(path, value)}
	}
	u[value] = struct{}{}
	return nil
}

// validateEnum checks a value against all that are known. Empty is missing.
func validateEnum[T ~string](value T, path *field.Path, known ...T) field.ErrorList {
	if slices.Contains(known, value) {
		return nil
	}
	if value == "" {
		names := make([]string, 0, len(known))
		for _, name := range known {
			names = append(names, string(name))
		}
		return field.ErrorList{field.Required(path, "use one of "+strings.Join(names, ", "))}
	}
	return field.ErrorList{field.NotSupported(path, value, known)}
}

// IsFraction is true for a decimal between 0 and 1 as the API takes it.
func IsFraction(value string) bool { return fractionPattern.MatchString(value) }

// validateFraction checks a decimal between 0 and 1 that is kept as a string, so
// that no digit is lost.
func validateFraction(value string, path *field.Path) field.ErrorList {
	if IsFraction(value) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, `write a decimal between 0 and 1 as a string, such as "0.999"; percentages are not understood`)}
}

func validateLength(value string, limit int, path *field.Path) field.ErrorList {
	if utf8.RuneCountInString(value) > limit {
		return field.ErrorList{field.TooLong(path, "", limit)}
	}
	return nil
}

type integer interface{ ~int32 | ~int64 }

func validateRange[T integer](value, low, high T, path *field.Path) field.ErrorList {
	if value < low || value > high {
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("must be between %d and %d", low, high))}
	}
	return nil
}

// validateBounds checks an optional range of replicas.
func validateBounds(low, high *int32, lowPath, highPath *field.Path) field.ErrorList {
	if low != nil && high != nil && *low > *high {
		return field.ErrorList{field.Invalid(lowPath, *low, fmt.Sprintf("must not exceed %s (%d)", highPath, *high))}
	}
	return nil
}

func validateConditions(conditions []metav1.Condition, status *field.Path) field.ErrorList {
	return metav1validation.ValidateConditions(conditions, status.Child("conditions"))
}

func validateObservedGeneration(observed, generation int64, status *field.Path) field.ErrorList {
	if observed < 0 || observed > generation {
		return field.ErrorList{field.Invalid(status.Child("observedGeneration"), observed,
			fmt.Sprintf("must be between 0 and metadata.generation (%d)", generation))}
	}
	return nil
}
