// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mountpath tells where in a container volumes can be mounted, and which part
// of them.
package mountpath

import (
	"path"
	"slices"
	"strings"
	"unicode"
)

// MaxBytes is the longest path in a container or a volume, in bytes.
const MaxBytes = 1024

// Clean is a path as containers see it: /a/ and /a are one folder. Empty stays empty.
func Clean(text string) string {
	if text == "" {
		return ""
	}
	return path.Clean(text)
}

// CleanPart is the part of a volume that a path names, empty for all of it.
func CleanPart(text string) string {
	if cleaned := path.Clean(text); cleaned != "." {
		return cleaned
	}
	return ""
}

// Problem tells why nothing can be mounted at a path; empty where it can.
func Problem(text string) string {
	switch {
	case !strings.HasPrefix(text, "/") || strings.Contains(text, ":") || strings.ContainsFunc(text, unicode.IsControl):
		return "must be an absolute path without colons and control characters, such as /etc/models"
	case path.Clean(text) == "/":
		return "would hide all files of the image: mount below it, such as at /etc/models"
	default:
		return ""
	}
}

// PartProblem tells why a path names no part of a volume; empty where it does.
func PartProblem(text string) string {
	if strings.HasPrefix(text, "/") || slices.Contains(strings.Split(text, "/"), "..") || strings.ContainsFunc(text, unicode.IsControl) {
		return "must be a relative path without .. and control characters"
	}
	return ""
}
