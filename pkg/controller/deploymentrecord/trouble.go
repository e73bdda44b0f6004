// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// trouble is why a pod does not run, in Kubernetes' words.
type trouble struct {
	reason  string
	message string
	// logs is the command that shows the last lines that the container wrote; empty
	// where it wrote none.
	logs string
	// ended pods do not come back. They stay to be looked at after others have
	// taken their place, as evicted ones do.
	ended bool
}

// crashLoop is the kubelet's word for a container that ends again and again.
const crashLoop = "CrashLoopBackOff"

// waitingForTrouble are the reasons for which a container waits and that do not
// pass by themselves.
var waitingForTrouble = []string{
	crashLoop,
	"ImagePullBackOff",
	"ErrImagePull",
	"ErrImageNeverPull",
	"InvalidImageName",
	"CreateContainerConfigError",
	"CreateContainerError",
	"RunContainerError",
}

// troubleOf returns why a pod does not run; nil when it does or may soon.
func troubleOf(pod *corev1.Pod) *trouble {
	if pod.DeletionTimestamp != nil {
		// It is on its way out; what took its place counts.
		return nil
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waiting := status.State.Waiting; waiting != nil && slices.Contains(waitingForTrouble, waiting.Reason) {
			return &trouble{reason: waiting.Reason, message: crashMessage(status, waiting), logs: logsOf(pod, status)}
		}
	}
	again := slices.DeleteFunc(slices.Clone(pod.Status.InitContainerStatuses), func(status corev1.ContainerStatus) bool { return isDone(pod, status) })
	for _, status := range append(again, pod.Status.ContainerStatuses...) {
		if crashes(pod, status) {
			return &trouble{reason: crashLoop, message: crashMessage(status, nil), logs: logsOf(pod, status)}
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return &trouble{reason: corev1.PodReasonUnschedulable, message: condition.Message}
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return &trouble{reason: cmp.Or(pod.Status.Reason, "PodFailed"), message: pod.Status.Message, ended: true}
	}
	return nil
}

// isDone is true for an init container that has ended as it should. One that runs
// beside the others, as a node of a data grid does, should not end at all.
func isDone(pod *corev1.Pod, status corev1.ContainerStatus) bool {
	if ended := endOf(status); ended == nil || ended.ExitCode != 0 {
		return false
	}
	return !slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == status.Name && ptr.Deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways
	})
}

// endOf is how a container ended last; nil for one that never did.
func endOf(status corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	return cmp.Or(status.State.Terminated, status.LastTerminationState.Terminated)
}

// text is the message with where to read on.
func (t trouble) text() string {
	if t.logs == "" {
		return t.message
	}
	return t.message + "; its last words: " + t.logs
}

// logsOf is the command that shows the log of the run of a container that ended
// last; empty for a container that never ran.
func logsOf(pod *corev1.Pod, status corev1.ContainerStatus) string {
	if endOf(status) == nil {
		return ""
	}
	command := fmt.Sprintf("kubectl logs --namespace %s %s --container %s --tail 20", pod.Namespace, pod.Name, status.Name)
	if status.RestartCount > 0 {
		command += " --previous"
	}
	return command
}

// crashes is true for a container between two of the moments at which the kubelet
// says so: it has ended and will be started again, or was started again and has
// not become ready since. Otherwise the record would come out of trouble and fall
// back into it with every attempt.
func crashes(pod *corev1.Pod, status corev1.ContainerStatus) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return false
	}
	if status.State.Terminated != nil {
		return true
	}
	if status.State.Running == nil || status.Ready || status.LastTerminationState.Terminated == nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.ContainersReady {
			return condition.Status == corev1.ConditionFalse && !condition.LastTransitionTime.After(status.State.Running.StartedAt.Time)
		}
	}
	return false
}

// crashMessage prefers what the container itself said when it ended, then how it
// ended, to the kubelet's "back-off restarting failed container". It stays the
// same from one attempt to the next.
func crashMessage(status corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) string {
	ended := endOf(status)
	switch {
	case waiting != nil && waiting.Reason != crashLoop:
		// It did not even begin.
		return waiting.Message
	case ended != nil && ended.Message != "":
		return ended.Message
	case ended != nil:
		return fmt.Sprintf("container %s ended with exit code %d (%s)", status.Name, ended.ExitCode, ended.Reason)
	case waiting != nil:
		return waiting.Message
	}
	return ""
}

// troubleOfGrid is the key of the trouble of pods that run nodes of the data grid.
const troubleOfGrid = "\x00odgm"

// troublesOf returns one trouble for each function that has any, keyed by the
// function's label, and one for the data grid. Of several the first by reason and message counts, so that
// pods which take turns do not make the status flicker; pods that have ended for
// good come last.
func troublesOf(pods []corev1.Pod) map[string]trouble {
	troubles := map[string]trouble{}
	for i := range pods {
		found := troubleOf(&pods[i])
		if found == nil {
			continue
		}
		key := pods[i].Labels[v1alpha1.LabelFunction]
		if pods[i].Labels[v1alpha1.LabelComponent] == v1alpha1.ComponentODGM {
			key = troubleOfGrid
		}
		known, ok := troubles[key]
		if !ok || cmp.Or(compareEnded(*found, known), cmp.Compare(found.reason, known.reason), cmp.Compare(found.message, known.message), cmp.Compare(found.logs, known.logs)) < 0 {
			troubles[key] = *found
		}
	}
	return troubles
}

func compareEnded(a, b trouble) int {
	switch {
	case a.ended == b.ended:
		return 0
	case a.ended:
		return 1
	default:
		return -1
	}
}
