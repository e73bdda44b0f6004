// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"oaas.io/oaas/hack/localcluster/binaries"
)

// Nothing that is shipped, built or documented turns the verification of a
// server's certificate off. Tests may, to look at a certificate.
func TestVerificationIsTurnedOffNowhere(t *testing.T) {
	root, err := binaries.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	off := regexp.MustCompile(`(?i)insecure-?skip-?(tls-?)?verify["']?\s*(:|:=|=)\s*["']?true`)
	for _, example := range []string{
		"insecureSkipTLSVerify: true", `"insecureSkipTLSVerify":true`, "InsecureSkipVerify: true", "c.InsecureSkipVerify = true",
		"--insecure-skip-tls-verify=true",
	} {
		if !off.MatchString(example) {
			t.Fatalf("%q would not be found", example)
		}
	}
	kinds := []string{".go", ".yaml", ".yml", ".json", ".md", ".sh"}
	looked := 0
	for _, folder := range []string{"artifacts", "cmd", "docs", "hack", "pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains(kinds, filepath.Ext(path)) || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			looked++
			if found := off.Find(content); found != nil {
				t.Errorf("%s has %q", path, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 100 {
		t.Errorf("only %d files were looked at", looked)
	}
}
