// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// repairsTrouble deploys what cannot run, and then what can. Each time the record
// and the deployment tell why, in the words of the pod.
func repairsTrouble(t *testing.T, s *site) {
	t.Helper()
	namespace := s.newNamespace(t, "trouble")
	deploy := "kubectl oaas deploy -n " + namespace + " -f -"
	good := s.example(t, "echo.yaml")

	crashing := edited(t, good, edit{"SERVICE_TIME_MS: 5", "SERVICE_TIME_MS: forever"})
	s.must(t, crashing, deploy)
	told := s.tellsTrouble(t, namespace, regexp.MustCompile(`CrashLoopBackOff: function Echo\.echo: .*; its last words: kubectl logs .*`))
	_, command, _ := strings.Cut(told, "; its last words: ")
	eventually(t, "the function's last words", func(ctx context.Context) error {
		// Its next run may have begun, and not yet ended.
		words, err := s.run(ctx, "", command)
		if err == nil && !strings.Contains(words, "SERVICE_TIME_MS") {
			err = fmt.Errorf("%s shows %q", command, words)
		}
		return err
	})

	// Nobody resolves such a name. The pod that crashes goes on crashing beside the one
	// that does not even begin.
	const image = "registry.invalid/echo:v1"
	missing := edited(t, good, edit{"oaas.io/function:v0.1.0", image})
	unpullable := regexp.MustCompile(`(ErrImagePull|ImagePullBackOff): function Echo\.echo: .*` + regexp.QuoteMeta(image))
	if message := s.refused(t, missing, deploy+" --wait"); !unpullable.MatchString(message) {
		t.Errorf("who waits is not told of %s: %s", unpullable, message)
	}
	s.tellsTrouble(t, namespace, unpullable)

	s.must(t, good, deploy+" --wait")
	function{s, namespace, "Echo.echo"}.mustAnswer(t, s.onlyUnit(t, namespace, "echo").DeploymentID)
	eventually(t, "the trouble to be over", func(ctx context.Context) error {
		_, err := s.conditionsAre(ctx, namespace, metav1.ConditionTrue, metav1.ConditionFalse, regexp.MustCompile("^AsExpected|^UnitsHealthy"))
		return err
	})
	s.must(t, good, "kubectl oaas delete --wait -n "+namespace+" -f -")
	eventually(t, "nothing to be left", func(ctx context.Context) error { return s.leftovers(ctx, namespace) })
}

// tellsTrouble waits until the record and the deployment of the example say that they
// do not serve and why, and returns the record's words.
func (s *site) tellsTrouble(t *testing.T, namespace string, why *regexp.Regexp) string {
	t.Helper()
	var told string
	eventually(t, "to be told of "+why.String(), func(ctx context.Context) error {
		words, err := s.conditionsAre(ctx, namespace, metav1.ConditionFalse, metav1.ConditionTrue, why)
		told = words
		return err
	})
	return told
}

// conditionsAre says what is wrong unless the record and the deployment of the example
// agree whether they serve and whether something fails, and in the words for that. It
// returns those of the record.
func (s *site) conditionsAre(ctx context.Context, namespace string, available, degraded metav1.ConditionStatus, why *regexp.Regexp) (string, error) {
	record, err := s.record(ctx, namespace)
	if err != nil {
		return "", err
	}
	deployment, err := s.deployment(ctx, namespace, "echo")
	if err != nil {
		return "", err
	}
	told := wordsOf(record.Status.Conditions, oaasv1alpha1.ConditionDegraded)
	for _, words := range []string{told, wordsOf(deployment.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition)} {
		if !why.MatchString(words) {
			err = errors.Join(err, fmt.Errorf("the words are %q, want %s", words, why))
		}
	}
	return told, errors.Join(err,
		hasCondition(record.Status.Conditions, oaasv1alpha1.ConditionAvailable, available),
		hasCondition(record.Status.Conditions, oaasv1alpha1.ConditionDegraded, degraded),
		hasCondition(deployment.Status.Conditions, pmv1alpha1.ClassDeploymentAvailable, available),
		hasCondition(deployment.Status.Conditions, pmv1alpha1.ClassDeploymentDegradedCondition, degraded),
	)
}

// wordsOf are the reason and the message of a condition.
func wordsOf(conditions []metav1.Condition, kind string) string {
	condition := apimeta.FindStatusCondition(conditions, kind)
	if condition == nil {
		return ""
	}
	return condition.Reason + ": " + condition.Message
}
