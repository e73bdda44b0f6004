// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// command runs oaas-apiserver with arguments and returns what it prints.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := NewCommand(t.Context())
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out.String())
	}
	return out.String()
}

func names(t *testing.T, s *server) []string {
	t.Helper()
	list := must(s.client.PmV1alpha1().Packages(namespace).List(t.Context(), metav1.ListOptions{}))(t)
	var all []string
	for _, p := range list.Items {
		all = append(all, p.Name)
	}
	return all
}

func TestABackupIsRestored(t *testing.T) {
	first := runServer(t, dataFolder(t))
	packages := first.client.PmV1alpha1().Packages(namespace)
	kept := must(packages.Create(t.Context(), echoPackage("kept"), metav1.CreateOptions{}))(t)
	must(packages.Create(t.Context(), echoPackage("deleted-later"), metav1.CreateOptions{}))(t)

	backup := filepath.Join(t.TempDir(), "oaas.db")
	if out := command(t, "etcd", "snapshot", "--data-dir", first.dataDir, "--output", backup); !strings.HasPrefix(out, "saved ") {
		t.Errorf("printed %q", out)
	}
	if err := packages.Delete(t.Context(), "deleted-later", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	late := must(packages.Create(t.Context(), echoPackage("created-later"), metav1.CreateOptions{}))(t)
	first.stop()

	dir := dataFolder(t)
	if out := command(t, "etcd", "restore", "--snapshot", backup, "--data-dir", dir); !strings.HasPrefix(out, "restored ") {
		t.Errorf("printed %q", out)
	}
	second := runServer(t, dir)
	if got := names(t, second); !slices.Equal(got, []string{"deleted-later", "kept"}) {
		t.Errorf("the restored server has %v, want what was there at the time of the backup", got)
	}
	packages = second.client.PmV1alpha1().Packages(namespace)
	if diff := cmp.Diff(kept, must(packages.Get(t.Context(), "kept", metav1.GetOptions{}))(t)); diff != "" {
		t.Errorf("the package differs (-before +restored):\n%s", diff)
	}

	for _, seen := range []string{kept.ResourceVersion, late.ResourceVersion} {
		watched, err := packages.Watch(t.Context(), metav1.ListOptions{ResourceVersion: seen})
		if err != nil {
			if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
				t.Errorf("a watch from %s: got %v, want 410 Gone", seen, err)
			}
			continue
		}
		select {
		case event := <-watched.ResultChan():
			if err := apierrors.FromObject(event.Object); event.Type != watch.Error || !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
				t.Errorf("a watch from %s goes on with %s %v, want 410 Gone", seen, event.Type, event.Object)
			}
		case <-time.After(readyWithin):
			t.Errorf("a watch from %s hears nothing, want 410 Gone", seen)
		}
		watched.Stop()
	}
	stale := kept.DeepCopy()
	stale.ResourceVersion = late.ResourceVersion
	if _, err := packages.Update(t.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of what was seen after the backup: got %v, want a conflict", err)
	}
	if next := must(packages.Create(t.Context(), echoPackage("created-later"), metav1.CreateOptions{}))(t); must(resourceversion.CompareResourceVersion(next.ResourceVersion, late.ResourceVersion))(t) <= 0 {
		t.Errorf("resource version %s comes after %s was seen", next.ResourceVersion, late.ResourceVersion)
	}
}

// TestInformersFollowARestoration holds what the bump of revisions is for: an
// informer that ran before must drop what the backup does not have.
func TestInformersFollowARestoration(t *testing.T) {
	first := runServer(t, dataFolder(t))
	must(first.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("kept"), metav1.CreateOptions{}))(t)
	backup := filepath.Join(t.TempDir(), "oaas.db")
	command(t, "etcd", "snapshot", "--data-dir", first.dataDir, "--output", backup)
	must(first.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("lost"), metav1.CreateOptions{}))(t)

	// The informer's client is led from the one server to the other.
	var to target
	to.set(first)
	factory := externalversions.NewSharedInformerFactory(to.client(t), 0)
	informer := factory.Pm().V1alpha1().Packages().Informer()
	factory.StartWithContext(t.Context())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the informer does not synchronise")
	}
	if got := informer.GetStore().ListKeys(); len(got) != 2 {
		t.Fatalf("the informer has %v, want both packages", got)
	}
	to.current.Store(nil)
	first.stop()
	dir := dataFolder(t)
	command(t, "etcd", "restore", "--snapshot", backup, "--data-dir", dir)
	to.set(runServer(t, dir))
	waitFor(t, "the informer drops what was lost", func() bool {
		return slices.Equal(informer.GetStore().ListKeys(), []string{namespace + "/kept"})
	})
}

func TestASnapshotIsPrinted(t *testing.T) {
	s := runServer(t, dataFolder(t))
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("printed"), metav1.CreateOptions{}))(t)
	cmd := NewCommand(t.Context())
	var printed, told bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(&told)
	cmd.SetArgs([]string{"etcd", "snapshot", "--data-dir", s.dataDir, "--output", "-"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(told.String(), "saved ") {
		t.Errorf("told %q beside the snapshot", told.String())
	}
	path := filepath.Join(t.TempDir(), "oaas.db")
	writeFile(t, path, printed.String())
	command(t, "etcd", "restore", "--snapshot", path, "--data-dir", dataFolder(t))
	if left := must(filepath.Glob(filepath.Join(s.dataDir, "snapshot-*")))(t); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestEtcdCommandsSayWhatIsMissing(t *testing.T) {
	for sentence, test := range map[string]struct {
		args []string
		want string
	}{
		"a snapshot of nothing":         {[]string{"snapshot", "--output", "x"}, "either --data-dir or --endpoint"},
		"a snapshot of two":             {[]string{"snapshot", "--output", "x", "--data-dir", "y", "--endpoint", "z"}, "either --data-dir or --endpoint"},
		"a snapshot to nowhere":         {[]string{"snapshot", "--data-dir", "y"}, "set --output"},
		"a user without a password":     {[]string{"snapshot", "--output", "x", "--endpoint", "z", "--etcd-username-file", "u"}, "need each other"},
		"a restoration of nothing":      {[]string{"restore", "--data-dir", "y"}, "set --snapshot"},
		"a restoration to nowhere":      {[]string{"restore", "--snapshot", "y"}, "--data-dir"},
		"an argument that is no option": {[]string{"restore", "y"}, "unknown command"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cmd := NewCommand(t.Context())
			cmd.SetOut(&bytes.Buffer{})
			cmd.SetErr(&bytes.Buffer{})
			cmd.SetArgs(append([]string{"etcd"}, test.args...))
			if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if help := command(t, "etcd", "snapshot", "--help"); !strings.Contains(help, "--output") || strings.Contains(help, "--etcd-servers") {
		t.Errorf("the help is not that of the command:\n%s", help)
	}
}
