// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/polltest"
)

func TestRecordsOfAllClustersAreListedTogetherOrByCluster(t *testing.T) {
	a := newCluster(t, "a", record("u1"), record("u2", in("bakery")))
	b := newCluster(t, "b", record("u1"))
	r := newReplica(t, a, b)
	// Requests wait for the clusters to tell their records: none comes too early.
	if got, want := r.names(), []string{"bakery/a.u2", "shop/a.u1", "shop/b.u1"}; !slices.Equal(got, want) {
		t.Errorf("records are %q, want %q", got, want)
	}
	if got, want := r.names(selecting("spec.cluster", "b")), []string{"shop/b.u1"}; !slices.Equal(got, want) {
		t.Errorf("records of b are %q, want %q", got, want)
	}
	ctx, _ := r.request("shop")
	one, err := r.rest.Get(ctx, "a.u1", &metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := one.(*pm.DeploymentRecord); got.Spec.Cluster != "a" || got.Spec.ClassKey != "Cart" || got.Status.Condition != "Running" || got.ResourceVersion == "" {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{"a.u2", "c.u1", "a", "u1", ""} {
		if _, err := r.rest.Get(ctx, name, &metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("getting %q: %v, want NotFound", name, err)
		}
	}
}

func TestAWatchTellsWhatClustersTell(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	r := newReplica(t, a)
	list, _ := r.list()
	w := r.watch(since(list.ResourceVersion))
	a.put(record("u2"))
	added := w.expect(watch.Added, "shop/a.u2")
	a.put(record("u2", saying("waits for a node")))
	modified := w.expect(watch.Modified, "shop/a.u2")
	if modified.Status.Message != "waits for a node" {
		t.Errorf("message is %q", modified.Status.Message)
	}
	if modified.UID != added.UID {
		t.Error("a change gave the record another UID")
	}
	a.drop("u2")
	deleted := w.expect(watch.Deleted, "shop/a.u2")
	versions := []string{list.ResourceVersion, added.ResourceVersion, modified.ResourceVersion, deleted.ResourceVersion}
	if !slices.IsSortedFunc(versions, func(a, b string) int {
		if a < b && len(a) == len(b) {
			return -1
		}
		return 1
	}) {
		t.Errorf("versions %q do not grow", versions)
	}

	resumed := r.watch(since(added.ResourceVersion))
	resumed.expect(watch.Modified, "shop/a.u2")
	resumed.expect(watch.Deleted, "shop/a.u2")
}

func TestAClusterThatIsAwayIsNamedAndItsRecordsStayStale(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	b := newCluster(t, "b", record("u1"))
	r := newReplica(t, a, b)
	list, w := r.list()
	if len(w.all) > 0 {
		t.Errorf("with all clusters there, warnings are %q", w.all)
	}
	events := r.watch(since(list.ResourceVersion))

	a.stop()
	events.expect(watch.Modified, "shop/a.u1 stale")
	if got, want := r.names(), []string{"shop/a.u1 stale", "shop/b.u1"}; !slices.Equal(got, want) {
		t.Errorf("records are %q, want %q", got, want)
	}
	_, w = r.list()
	if !w.mentions("cluster a has been away for ") || w.mentions("cluster b") {
		t.Errorf("warnings are %q, want one that names a and for how long", w.all)
	}
	if _, w := r.list(selecting("spec.cluster", "b")); len(w.all) > 0 {
		t.Errorf("listing b alone warns of %q", w.all)
	}
	ctx, w := r.request("shop")
	if _, err := r.rest.Get(ctx, "a.u1", &metav1.GetOptions{}); err != nil || !w.mentions("cluster a has been away") {
		t.Errorf("getting a record of a: %v, warnings %q", err, w.all)
	}

	// It comes back with another record, and without the one it had.
	delete(a.records, "u1")
	a.records["u2"] = record("u2")
	a.start()
	events.expect(watch.Added, "shop/a.u2")
	events.expect(watch.Deleted, "shop/a.u1 stale")
	polltest.Until(t, "no warning", func() bool { _, w := r.list(); return len(w.all) == 0 })
	r.waitForNames("shop/a.u2", "shop/b.u1")
}

func TestARecordThatAClusterStillHasWhenItIsBackIsNotStaleAnyMore(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	r := newReplica(t, a)
	list, _ := r.list()
	events := r.watch(since(list.ResourceVersion))
	a.stop()
	events.expect(watch.Modified, "shop/a.u1 stale")
	a.start()
	events.expect(watch.Modified, "shop/a.u1")
}

func TestAClusterThatWasNeverHeardOfIsNamed(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	silent := newCluster(t, "silent")
	silent.stop()
	r := newReplica(t, a, silent)
	list, w := r.list()
	if len(list.Items) != 1 || !w.mentions("cluster silent was not heard of yet") {
		t.Errorf("records are %q, warnings %q; want the one of a and a warning of the silent one", namesOf(list), w.all)
	}

	broken := newCluster(t, "broken").object()
	broken.Spec.TLS = &pmv1alpha1.ClusterTLS{CABundle: []byte("none")}
	if _, err := r.pool.Ensure(t.Context(), broken); err == nil {
		t.Fatal("a bundle that is none made a link")
	}
	if _, w := r.list(); !w.mentions("cluster broken has no link") {
		t.Errorf("warnings are %q, want one of the cluster without a link", w.all)
	}
}

func TestManyClustersThatAreAwayFitIntoAHeader(t *testing.T) {
	r := newReplica(t)
	for i := range 30 {
		c := newCluster(t, fmt.Sprintf("c%02d", i))
		c.stop()
		r.link(c)
	}
	if _, w := r.list(); len(w.all) != 11 || !w.mentions("20 more clusters") {
		t.Errorf("warnings are %q, want ten clusters and the number of the others", w.all)
	}
}

func TestRecordsOfARemovedClusterAreDeleted(t *testing.T) {
	a, b := newCluster(t, "a", record("u1")), newCluster(t, "b", record("u1"))
	r := newReplica(t, a, b)
	list, _ := r.list()
	events := r.watch(since(list.ResourceVersion))
	r.pool.Remove("a")
	events.expect(watch.Deleted, "shop/a.u1")
	list, w := r.list()
	if got := namesOf(list); !slices.Equal(got, []string{"shop/b.u1"}) || len(w.all) > 0 {
		t.Errorf("records are %q, warnings %q; want the one of b and no warning", got, w.all)
	}
}

func TestAnotherAddressKeepsTheRecordsUntilTheClusterTellsAnew(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	r := newReplica(t, a)
	list, _ := r.list()
	events := r.watch(since(list.ResourceVersion))
	moved := newCluster(t, "a", record("u1"))
	moved.stop()
	r.link(moved)
	events.expect(watch.Modified, "shop/a.u1 stale")
	moved.start()
	events.expect(watch.Modified, "shop/a.u1")
}

func TestRequestsWaitUntilEveryClusterIsKnown(t *testing.T) {
	a := newCluster(t, "a", record("u1"))
	r := newReplicaWithout(t)
	done := make(chan []string, 1)
	go func() {
		list, _, err := r.tryList()
		if err != nil {
			t.Errorf("listing: %v", err)
			list = &pm.DeploymentRecordList{}
		}
		done <- namesOf(list)
	}()
	r.link(a)
	r.pool.SetComplete()
	if got := <-done; !slices.Equal(got, []string{"shop/a.u1"}) {
		t.Errorf("a request that came before the clusters were known got %q", got)
	}
}

func TestANewReplicaThatNeverLearnsOfClustersTellsClientsToTryAgain(t *testing.T) {
	r := newReplicaWithout(t)
	if _, _, err := r.tryList(); !apierrors.IsTooManyRequests(err) {
		t.Errorf("error %v, want one after which clients try again", err)
	}
}

func TestAVersionCountsOnlyWhereItWasGivenOut(t *testing.T) {
	a := newCluster(t, "a", record("u1"), record("u2"), record("u3"))
	first, second := newReplica(t, a), newReplica(t, a)
	first.list()
	second.list()
	a.put(record("u1", saying("news")))
	first.waitForMessage("a.u1", "news")
	second.waitForMessage("a.u1", "news")
	atFirst, _ := first.list(limited(2, ""))

	for sentence, version := range map[string]string{
		"the other replica's newest":  atFirst.ResourceVersion,
		"the other replica's of one":  atFirst.Items[0].ResourceVersion,
		"one that nobody gave out":    "12345",
		"one from the distant future": "9223372036854775807",
	} {
		t.Run(sentence, func(t *testing.T) {
			event := second.watch(since(version)).next()
			if status, ok := event.Object.(*metav1.Status); event.Type != watch.Error || !ok || status.Code != 410 {
				t.Errorf("resuming gave %s %v, want an error of code 410", event.Type, event.Object)
			}
			if _, _, err := second.tryList(func(o *internalversion.ListOptions) {
				o.ResourceVersion, o.ResourceVersionMatch = version, metav1.ResourceVersionMatchExact
			}); !apierrors.IsResourceExpired(err) {
				t.Errorf("listing exactly that version: %v, want Expired", err)
			}
		})
	}
	_, _, err := second.tryList(limited(2, atFirst.Continue))
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("continuing the other replica's list: %v, want Expired", err)
	}
	// As with every resource, the answer says how to go on nevertheless.
	list, _ := second.list(limited(2, err.(apierrors.APIStatus).Status().ListMeta.Continue))
	if got := namesOf(list); !slices.Equal(got, []string{"shop/a.u3"}) {
		t.Errorf("the rest is %q", got)
	}
	// What is not older is what there is.
	if got := second.names(since(atFirst.ResourceVersion)); len(got) != 3 {
		t.Errorf("a list not older than the other replica's is %q", got)
	}
	if list, _ := second.list(since(atFirst.ResourceVersion)); list.ResourceVersion < atFirst.ResourceVersion {
		t.Errorf("a list not older than %s is at %s", atFirst.ResourceVersion, list.ResourceVersion)
	}
}

func TestPagesAreOfOneMoment(t *testing.T) {
	a := newCluster(t, "a", record("u1"), record("u2"), record("u3"))
	r := newReplica(t, a)
	first, _ := r.list(limited(1, ""))
	a.drop("u2")
	a.put(record("u9"))
	r.waitForNames("shop/a.u1", "shop/a.u3", "shop/a.u9")
	rest, _ := r.list(limited(9, first.Continue))
	if got := namesOf(rest); !slices.Equal(got, []string{"shop/a.u2", "shop/a.u3"}) || rest.ResourceVersion != first.ResourceVersion {
		t.Errorf("the rest is %q at %s, want what there was at %s", got, rest.ResourceVersion, first.ResourceVersion)
	}
}

func TestARecordThatNoObjectCanShowHidesNoOther(t *testing.T) {
	a := newCluster(t, "a", record("u1"), record("b.u1"), record("u3", in("../kube-system")))
	r := newReplica(t, a)
	if got := r.names(); !slices.Equal(got, []string{"shop/a.u1"}) {
		t.Errorf("records are %q", got)
	}
}

func TestAThousandRecordsAreListedFast(t *testing.T) {
	var all []*deploymentv1.DeploymentRecord
	for i := range 1000 {
		all = append(all, record(fmt.Sprintf("u%03d", i)))
	}
	r := newReplica(t, newCluster(t, "a", all...))
	if got := len(r.names()); got != 1000 {
		t.Fatalf("%d records are listed, want 1,000", got)
	}
	began := time.Now()
	const lists = 20
	for range lists {
		r.list()
	}
	// About 1 ms on a laptop; the bound is for a machine with much else to do.
	if each := time.Since(began) / lists; each > 100*time.Millisecond {
		t.Errorf("a list of 1,000 records takes %s", each)
	}
}
