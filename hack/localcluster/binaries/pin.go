// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// pin is what a nested module fixes: the files that decide every dependency
// and the version that the program reports.
type pin struct {
	dir     string // of the nested module
	version string // such as v1.36.3
	sums    []byte // go.mod followed by go.sum
}

func readPin(dir, module string) (pin, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return pin{}, fmt.Errorf("reading the pinned version of %s: %w", module, err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return pin{}, fmt.Errorf("reading the pinned version of %s: %w", module, err)
	}
	version, err := pinnedVersion(filepath.Join(dir, "go.mod"), mod, module)
	if err != nil {
		return pin{}, err
	}
	return pin{dir: dir, version: version, sums: append(mod, sum...)}, nil
}

// pinnedVersion returns the version of module that the go.mod content requires.
func pinnedVersion(name string, content []byte, module string) (string, error) {
	file, err := modfile.Parse(name, content, nil)
	if err != nil {
		return "", fmt.Errorf("parsing %s: %w", name, err)
	}
	for _, r := range file.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s: add it with `go get -tool` in that folder", name, module)
}

// linkerFlags strips symbols, and lets a Kubernetes program report its version:
// without it the API server says v0.0.0 and clients warn of version skew. The
// other modules carry theirs in their source. Nothing in the flags depends on
// the time or place of the build, so that Go's own cache stays valid.
func linkerFlags(module, version string) string {
	const strip = "-s -w"
	if module != "k8s.io/kubernetes" {
		return strip
	}
	majorMinor := strings.TrimPrefix(semver.MajorMinor(version), "v")
	major, minor, _ := strings.Cut(majorMinor, ".")
	flags := []string{strip}
	for _, set := range []struct{ name, value string }{
		{"gitVersion", version},
		{"gitMajor", major},
		{"gitMinor", minor},
		{"gitTreeState", "clean"},
		{"gitCommit", version},
		{"buildDate", "1970-01-01T00:00:00Z"},
	} {
		flags = append(flags, "-X k8s.io/component-base/version."+set.name+"="+set.value)
	}
	return strings.Join(flags, " ")
}

// cacheKey names a folder of the cache. Everything that changes a built program
// goes into it, except the Go toolchain: that must not cost minutes at every
// patch release.
func cacheKey(folder string, p pin, flags, goos, goarch string) string {
	h := sha256.New()
	for _, part := range [][]byte{p.sums, []byte(flags), []byte(goos), []byte(goarch)} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return folder + "-" + p.version + "-" + hex.EncodeToString(h.Sum(nil))[:16]
}
