// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Kubernetes' garbage collector treats packages like anything else, as owners and
// as what is owned.
func TestGarbageCollection(t *testing.T) {
	for name, test := range map[string]struct {
		policy metav1.DeletionPropagation
		// stays is what becomes of the dependent.
		stays bool
	}{
		"in the background, what is owned goes after its owner":      {policy: metav1.DeletePropagationBackground},
		"in the foreground, the owner waits for what it owns":        {policy: metav1.DeletePropagationForeground},
		"orphaned, what was owned stays and is nobody's from now on": {policy: metav1.DeletePropagationOrphan, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("a package that owns a ConfigMap", func(t *testing.T) {
				namespace := newNamespace(t)
				owner := createPackage(t, namespace, newPackage("owner"))
				dependent := newConfigMap(t, namespace, "dependent", ownedBy("Package", v1alpha1.SchemeGroupVersion.String(), owner))
				if test.policy == metav1.DeletePropagationForeground {
					hold(t, dependent)
				}
				newConfigMap(t, namespace, "marker", ownedByNobody())
				eventually(t, "the collector to have seen the dependent", func(ctx context.Context) error {
					_, err := hub.kube.CoreV1().ConfigMaps(namespace).Get(ctx, "marker", metav1.GetOptions{})
					return absent(err)
				})
				packages := hub.oaas.PmV1alpha1().Packages(namespace)
				if err := packages.Delete(t.Context(), owner.Name, metav1.DeleteOptions{PropagationPolicy: &test.policy}); err != nil {
					t.Fatal(err)
				}
				if test.policy == metav1.DeletePropagationForeground {
					expectWaiting(t, namespace, owner.Name)
					release(t, dependent)
				}
				eventually(t, "the owner to go", func(ctx context.Context) error {
					_, err := packages.Get(ctx, owner.Name, metav1.GetOptions{})
					return absent(err)
				})
				eventually(t, "the dependent to be as it should", func(ctx context.Context) error {
					found, err := hub.kube.CoreV1().ConfigMaps(namespace).Get(ctx, dependent.Name, metav1.GetOptions{})
					if !test.stays {
						return absent(err)
					}
					return orphaned(found, err)
				})
			})
			t.Run("a ConfigMap that owns a package", func(t *testing.T) {
				namespace := newNamespace(t)
				owner := newConfigMap(t, namespace, "owner")
				dependent := createPackage(t, namespace, newPackage("dependent", ownedBy("ConfigMap", "v1", owner)))
				createPackage(t, namespace, newPackage("marker", ownedByNobody()))
				eventually(t, "the collector to have seen the dependent", func(ctx context.Context) error {
					_, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(ctx, "marker", metav1.GetOptions{})
					return absent(err)
				})
				configMaps := hub.kube.CoreV1().ConfigMaps(namespace)
				if err := configMaps.Delete(t.Context(), owner.Name, metav1.DeleteOptions{PropagationPolicy: &test.policy}); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the owner to go", func(ctx context.Context) error {
					_, err := configMaps.Get(ctx, owner.Name, metav1.GetOptions{})
					return absent(err)
				})
				eventually(t, "the dependent to be as it should", func(ctx context.Context) error {
					found, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(ctx, dependent.Name, metav1.GetOptions{})
					if !test.stays {
						return absent(err)
					}
					return orphaned(found, err)
				})
			})
		})
	}
}

// What has nothing to do with the server is collected while it is away.
func TestGarbageCollectionOfOthersGoesOnWithoutTheServer(t *testing.T) {
	restore(t)
	namespace := newNamespace(t)
	owner := newConfigMap(t, namespace, "owner")
	dependent := newConfigMap(t, namespace, "dependent", ownedBy("ConfigMap", "v1", owner))
	kept := newConfigMap(t, namespace, "kept", ownedBy("Package", v1alpha1.SchemeGroupVersion.String(), createPackage(t, namespace, newPackage("owner"))))
	killServer(t)
	configMaps := hub.kube.CoreV1().ConfigMaps(namespace)
	if err := configMaps.Delete(t.Context(), owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dependent to go", func(ctx context.Context) error {
		_, err := configMaps.Get(ctx, dependent.Name, metav1.GetOptions{})
		return absent(err)
	})
	// Nobody knows whether its owner is gone.
	if _, err := configMaps.Get(t.Context(), kept.Name, metav1.GetOptions{}); err != nil {
		t.Errorf("what a package owns: %v", err)
	}
}

// A policy with parameters needs a permission that only its author knows of.
func TestAPolicyWhoseParametersAreOutOfReachSaysSo(t *testing.T) {
	namespace := newNamespace(t)
	const policy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: harm-limits}
spec:
  failurePolicy: Fail
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [pm.oaas.io], apiVersions: ["*"], operations: [CREATE], resources: [packages]}]
  validations: [{expression: "object.metadata.name != params.data.forbidden", message: that name is taken}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: harm-limits}
spec:
  policyName: harm-limits
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}}
  paramRef: {name: limits, namespace: NAMESPACE, parameterNotFoundAction: Deny}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: limits, namespace: NAMESPACE}
data: {forbidden: evil}
`
	text := strings.ReplaceAll(policy, "NAMESPACE", namespace)
	if _, stderr, err := kubectl(t, text, "apply", "-f", "-"); err != nil {
		t.Fatal(stderr)
	}
	t.Cleanup(func() {
		api := hub.kube.AdmissionregistrationV1()
		if err := errors.Join(
			api.ValidatingAdmissionPolicyBindings().Delete(context.Background(), "harm-limits", metav1.DeleteOptions{}),
			api.ValidatingAdmissionPolicies().Delete(context.Background(), "harm-limits", metav1.DeleteOptions{}),
		); err != nil {
			t.Error(err)
		}
	})
	packages := hub.oaas.PmV1alpha1().Packages(namespace)
	create := func(ctx context.Context, name string) error {
		_, err := packages.Create(ctx, newPackage(name), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	eventually(t, "the policy to refuse what it cannot judge", func(ctx context.Context) error {
		err := create(ctx, "good")
		switch {
		case err == nil:
			return errors.New("it is accepted")
		case !strings.Contains(err.Error(), "'harm-limits' denied request: failed to configure binding: paramKind"):
			return err
		}
		return nil
	})
	mayReadConfigMaps(t)
	eventually(t, "the policy to apply", func(ctx context.Context) error {
		return create(ctx, "good")
	})
	if err := create(t.Context(), "evil"); err == nil || !strings.Contains(err.Error(), "that name is taken") {
		t.Errorf("got %v, want the policy to refuse the name", err)
	}
}

// mayReadConfigMaps lets the server see ConfigMaps until the end of the test.
func mayReadConfigMaps(t *testing.T) {
	t.Helper()
	const name = "harm-configmaps"
	api := hub.kube.RbacV1()
	_, roleErr := api.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}}},
	}, metav1.CreateOptions{})
	_, bindingErr := api.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: platform.Namespace, Name: "oaas-apiserver"}},
	}, metav1.CreateOptions{})
	if err := errors.Join(roleErr, bindingErr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(
			api.ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{}),
			api.ClusterRoles().Delete(context.Background(), name, metav1.DeleteOptions{}),
		); err != nil {
			t.Error(err)
		}
	})
}

// A ResourceQuota counts packages, although kube-apiserver does not apply it to
// what it passes on.
func TestQuotaCountsPackages(t *testing.T) {
	namespace := newNamespace(t)
	used := newQuota(t, namespace, 2)
	packages := hub.oaas.PmV1alpha1().Packages(namespace)
	createPackage(t, namespace, newPackage("first"))
	createPackage(t, namespace, newPackage("second"))
	used(2)
	if _, err := packages.Create(t.Context(), newPackage("third"), metav1.CreateOptions{}); !apierrors.IsForbidden(err) ||
		!strings.Contains(err.Error(), "exceeded quota: packages") {
		t.Fatalf("got %v, want the third package to exceed the quota", err)
	}
	// An update creates nothing.
	if _, err := packages.Patch(t.Context(), "first", "application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"changed":"yes"}}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("an update at the limit: %v", err)
	}
	if err := packages.Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "room for another package", func(ctx context.Context) error {
		_, err := packages.Create(ctx, newPackage("third"), metav1.CreateOptions{})
		return err
	})
	// A dry run is refused like the real thing, and takes no room.
	if err := packages.Delete(t.Context(), "second", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "room for a dry run", func(ctx context.Context) error {
		_, err := packages.Create(ctx, newPackage("dry"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
	used(1)
}

// newQuota limits the packages of a namespace, and returns what waits until a
// number of them is counted.
func newQuota(t *testing.T, namespace string, hard int64) (used func(want int64)) {
	t.Helper()
	const counted = corev1.ResourceName("count/packages.pm.oaas.io")
	quotas := hub.kube.CoreV1().ResourceQuotas(namespace)
	if _, err := quotas.Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "packages"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{counted: *resource.NewQuantity(hard, resource.DecimalSI)}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	used = func(want int64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d packages to be counted", want), func(ctx context.Context) error {
			found, err := quotas.Get(ctx, "packages", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if got, ok := found.Status.Used[counted]; !ok || got.Value() != want {
				return fmt.Errorf("the status is %+v", found.Status)
			}
			return nil
		})
	}
	used(0)
	return used
}

func TestDeleteCollectionDeletesWhatIsSelectedAndNothingElse(t *testing.T) {
	namespace, other := newNamespace(t), newNamespace(t)
	for i := range 20 {
		object := newPackage(fmt.Sprintf("p-%02d", i))
		object.Labels = map[string]string{"odd": fmt.Sprint(i%2 == 1)}
		createPackage(t, namespace, object)
	}
	createPackage(t, other, newPackage("elsewhere"))
	err := hub.oaas.PmV1alpha1().Packages(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "odd=true"})
	if err != nil {
		t.Fatal(err)
	}
	count := func(namespace string) int {
		list, err := hub.oaas.PmV1alpha1().Packages(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	eventually(t, "the selected packages to go", func(context.Context) error {
		if left := count(namespace); left != 10 {
			return fmt.Errorf("%d are left, want 10", left)
		}
		return nil
	})
	if count(other) != 1 {
		t.Error("a package of another namespace is gone")
	}
}

func ownedBy(kind, version string, owner metav1.Object) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: version, Kind: kind, Name: owner.GetName(), UID: owner.GetUID(), BlockOwnerDeletion: new(true),
	}
}

// ownedByNobody marks something that the garbage collector deletes once it has
// seen it, and so has seen what was made before: what it has not seen when an
// owner is deleted, it does not take into account.
func ownedByNobody() metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "nobody", UID: uuid.NewUUID()}
}

func newConfigMap(t *testing.T, namespace, name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	t.Helper()
	made, err := hub.kube.CoreV1().ConfigMaps(namespace).Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// hold keeps a ConfigMap from going until it is released.
func hold(t *testing.T, object *corev1.ConfigMap) {
	t.Helper()
	setFinalizers(t, object, `["harm.oaas.io/hold"]`)
}

func release(t *testing.T, object *corev1.ConfigMap) {
	t.Helper()
	setFinalizers(t, object, `null`)
}

func setFinalizers(t *testing.T, object *corev1.ConfigMap, finalizers string) {
	t.Helper()
	if _, err := hub.kube.CoreV1().ConfigMaps(object.Namespace).Patch(t.Context(), object.Name, "application/merge-patch+json",
		[]byte(`{"metadata":{"finalizers":`+finalizers+`}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// expectWaiting waits until a package is being deleted, and only waits for what it
// owns.
func expectWaiting(t *testing.T, namespace, name string) {
	t.Helper()
	eventually(t, "the dependent to be deleted before its owner", func(ctx context.Context) error {
		owner, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatalf("the owner did not wait: %v", err)
		}
		dependent, err := hub.kube.CoreV1().ConfigMaps(namespace).Get(ctx, "dependent", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if owner.DeletionTimestamp == nil || dependent.DeletionTimestamp == nil {
			return errors.New("nothing is being deleted")
		}
		return nil
	})
}

func absent(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(errors.New("it is still there"), err)
}

func orphaned(object metav1.Object, err error) error {
	switch {
	case err != nil:
		return err
	case len(object.GetOwnerReferences()) > 0:
		return fmt.Errorf("it still has owners: %+v", object.GetOwnerReferences())
	case object.GetDeletionTimestamp() != nil:
		return errors.New("it is being deleted")
	}
	return nil
}
