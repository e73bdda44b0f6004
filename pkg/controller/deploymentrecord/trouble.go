// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
	// since is when the first of the pods was made that have the same owner, such as a
	// revision of a Deployment.
	since time.Time
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
// function's label, and one for the data grid.
func troublesOf(pods []corev1.Pod) map[string]trouble {
	since := map[types.UID]time.Time{}
	for i := range pods {
		owner, made := ownerOf(&pods[i]), pods[i].CreationTimestamp.Time
		if first, ok := since[owner]; !ok || made.Before(first) {
			since[owner] = made
		}
	}
	troubles := map[string]trouble{}
	for i := range pods {
		found := troubleOf(&pods[i])
		if found == nil {
			continue
		}
		found.since = since[ownerOf(&pods[i])]
		key := pods[i].Labels[v1alpha1.LabelFunction]
		if pods[i].Labels[v1alpha1.LabelComponent] == v1alpha1.ComponentODGM {
			key = troubleOfGrid
		}
		if known, ok := troubles[key]; !ok || compareTroubles(*found, known) < 0 {
			troubles[key] = *found
		}
	}
	return troubles
}

// ownerOf is who makes the pod; a Deployment makes those of each revision by another
// ReplicaSet.
func ownerOf(pod *corev1.Pod) types.UID {
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		return owner.UID
	}
	return ""
}

// compareTroubles puts first what is to be told. Pods that have ended for good come
// last, and the newest revision first: a change has answered what keeps the one
// before from running. Then reason and message decide, so that pods which take turns
// do not make the status flicker.
func compareTroubles(a, b trouble) int {
	return cmp.Or(
		compareEnded(a, b),
		b.since.Compare(a.since),
		cmp.Compare(a.reason, b.reason),
		cmp.Compare(a.message, b.message),
		cmp.Compare(a.logs, b.logs),
	)
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
