// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package binaries

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/modfile"

	"oaas.io/oaas/hack/localcluster/progress"
)

func programs() []Program {
	return append(ControlPlane(), Kubectl, Kubelet, KubeProxy, SampleAPIServer, Prometheus)
}

func TestPinnedVersion(t *testing.T) {
	const module = "k8s.io/kubernetes"
	for name, test := range map[string]struct {
		content string
		want    string
		wantErr string
	}{
		"a required module":            {content: "module m\nrequire k8s.io/kubernetes v1.36.3\n", want: "v1.36.3"},
		"one in a block":               {content: "module m\nrequire (\n\ta.io/b v1.0.0\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n", want: "v1.36.3"},
		"a module of a similar name":   {content: "module m\nrequire k8s.io/kubernetes/v2 v2.0.0\n", wantErr: "does not require k8s.io/kubernetes"},
		"nothing required":             {content: "module m\n", wantErr: "does not require k8s.io/kubernetes"},
		"a file that is not a go.mod":  {content: "<html>", wantErr: "parsing x/go.mod"},
		"a version that is no version": {content: "module m\nrequire k8s.io/kubernetes latest\n", wantErr: "parsing x/go.mod"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pinnedVersion("x/go.mod", []byte(test.content), module)
			switch {
			case test.wantErr == "" && (err != nil || got != test.want):
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got error %v, want one with %q", err, test.wantErr)
			}
		})
	}
}

func TestKubernetesProgramsReportTheirVersion(t *testing.T) {
	flags := linkerFlags("k8s.io/kubernetes", "v1.36.3")
	for _, want := range []string{
		"-s -w ",
		"-X k8s.io/component-base/version.gitVersion=v1.36.3",
		"-X k8s.io/component-base/version.gitMajor=1 ",
		"-X k8s.io/component-base/version.gitMinor=36 ",
	} {
		if !strings.Contains(flags, want) {
			t.Errorf("%q lacks %q", flags, want)
		}
	}
	if got := linkerFlags("go.etcd.io/etcd/server/v3", "v3.7.3"); got != "-s -w" {
		t.Errorf("etcd is linked with %q", got)
	}
}

func TestEveryInputOfABuildChangesItsPlaceInTheCache(t *testing.T) {
	base := pin{version: "v1.0.0", sums: []byte("sums")}
	key := cacheKey("etcd", base, "-s", "linux", "amd64")
	if again := cacheKey("etcd", base, "-s", "linux", "amd64"); again != key {
		t.Errorf("the same input gives %s and %s", key, again)
	}
	for name, other := range map[string]string{
		"dependencies":         cacheKey("etcd", pin{version: "v1.0.0", sums: []byte("other")}, "-s", "linux", "amd64"),
		"flags":                cacheKey("etcd", base, "-w", "linux", "amd64"),
		"operating system":     cacheKey("etcd", base, "-s", "darwin", "amd64"),
		"architecture":         cacheKey("etcd", base, "-s", "linux", "arm64"),
		"a shifted border":     cacheKey("etcd", pin{version: "v1.0.0", sums: []byte("sums-")}, "s", "linux", "amd64"),
		"the program's module": cacheKey("kwok", base, "-s", "linux", "amd64"),
	} {
		if other == key {
			t.Errorf("%s: another input gives the same place %s", name, key)
		}
	}
}

func TestTheNestedModulesPinEveryProgram(t *testing.T) {
	modules, err := nestedModules()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs() {
		src, ok := sourceOf(p)
		if !ok {
			t.Errorf("nothing is known about %s", p)
			continue
		}
		if _, err := readPin(filepath.Join(modules, src.folder), src.module); err != nil {
			t.Error(err)
		}
		// Only what the tool directives name is sure to be in go.sum.
		content, err := os.ReadFile(filepath.Join(modules, src.folder, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := modfile.Parse("go.mod", content, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(file.Tool, func(tool *modfile.Tool) bool { return tool.Path == src.pkg }) {
			t.Errorf("%s/go.mod has no tool directive for %s", src.folder, src.pkg)
		}
	}
}

func TestTheRepositoryIsFoundFromANestedModule(t *testing.T) {
	root := t.TempDir()
	nested := filepath.Join(root, "hack", "tools")
	if err := os.MkdirAll(nested, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "go.mod"), "module oaas.io/oaas\n", 0o600)
	write(t, filepath.Join(nested, "go.mod"), "module oaas.io/oaas/hack/tools\n", 0o600)

	if got, ok := findRepository(nested); !ok || got != root {
		t.Errorf("found %q, %t, want %q", got, ok, root)
	}
	if got, ok := findRepository(t.TempDir()); ok {
		t.Errorf("found %q outside of the repository", got)
	}
}

func TestReadyProgramsAreUsedAsTheyAre(t *testing.T) {
	assets := t.TempDir()
	for _, p := range []Program{Etcd, KubeAPIServer} {
		write(t, filepath.Join(assets, string(p)), "#!/bin/sh\n", 0o700)
	}
	t.Setenv(AssetsVariable, assets)
	cache := t.TempDir()
	set, err := Ensure(t.Context(), Options{CacheDir: cache}, Etcd, KubeAPIServer)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Program{Etcd, KubeAPIServer} {
		if got, want := set.Path(p), filepath.Join(assets, string(p)); got != want {
			t.Errorf("%s is %s, want %s", p, got, want)
		}
	}
	if got := set.Path(Kubectl); got != "" {
		t.Errorf("kubectl, which was not asked for, is %s", got)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) > 0 {
		t.Errorf("the cache has %v, %v, want nothing", entries, err)
	}
}

func TestAReadyProgramThatCannotRunIsRefused(t *testing.T) {
	assets := t.TempDir()
	write(t, filepath.Join(assets, "etcd"), "", 0o600)
	_, err := Ensure(t.Context(), Options{AssetsDir: assets, CacheDir: t.TempDir()}, Etcd)
	if err == nil || !strings.Contains(err.Error(), "not an executable file") {
		t.Errorf("got error %v", err)
	}
}

func TestAnUnknownProgramIsRefused(t *testing.T) {
	if _, err := Ensure(t.Context(), Options{CacheDir: t.TempDir()}, "kube-dns"); err == nil {
		t.Error("kube-dns was found")
	}
}

func TestOneOfManyAtOnceBuilds(t *testing.T) {
	e := &ensurer{Options{Progress: progress.Discard{}}}
	path := filepath.Join(t.TempDir(), "folder", "program")
	var builds atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			err := e.once(t.Context(), path, func() error {
				builds.Add(1)
				return os.WriteFile(path, nil, 0o600)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if builds.Load() != 1 {
		t.Errorf("built %d times, want once", builds.Load())
	}
}

func TestAFailedBuildIsTriedAgain(t *testing.T) {
	e := &ensurer{Options{Progress: progress.Discard{}}}
	path := filepath.Join(t.TempDir(), "program")
	broken := errors.New("broken")
	if err := e.once(t.Context(), path, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
	if err := e.once(t.Context(), path, func() error { return os.WriteFile(path, nil, 0o600) }); err != nil {
		t.Error(err)
	}
}

func TestBuild(t *testing.T) {
	module := t.TempDir()
	write(t, filepath.Join(module, "go.mod"), "module example.com/hello\n\ngo 1.26\n", 0o600)
	source := filepath.Join(module, "main.go")
	write(t, source, "package main\n\nfunc main() {}\n", 0o600)
	out := t.TempDir()
	path := filepath.Join(out, "hello")

	if err := build(t.Context(), module, "example.com/hello", "-s -w", path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("the program cannot run: %v, %v", info, err)
	}

	write(t, source, "package main\n\nfunc main() { undefined() }\n", 0o600)
	failed := filepath.Join(out, "failed")
	err := build(t.Context(), module, "example.com/hello", "-s -w", failed)
	if err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("got error %v, want what the compiler says", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := build(cancelled, module, "example.com/hello", "-s -w", failed); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 1 {
		t.Errorf("failed builds leave %v, %v", entries, err)
	}
}

func TestJoinStages(t *testing.T) {
	base := t.TempDir()
	for path, content := range map[string]string{
		"node/fast/node.yaml":          "kind: Stage\nname: node\n\n",
		"node/fast/kustomization.yaml": "kind: Kustomization\n",
		"node/fast/README.md":          "text",
		"node/fast/testdata/x.yaml":    "kind: Test\n",
		"pod/fast/a.yaml":              "name: a\n",
		"pod/fast/b.yaml":              "name: b",
		"empty/kustomization.yaml":     "kind: Kustomization\n",
	} {
		path = filepath.Join(base, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, content, 0o600)
	}
	got, err := joinStages(base, []string{"node/fast", "pod/fast"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "---\nkind: Stage\nname: node\n---\nname: a\n---\nname: b\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, folder := range []string{"empty", "missing"} {
		if _, err := joinStages(base, []string{folder}); err == nil {
			t.Errorf("%s: kwok would start without a stage", folder)
		}
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
