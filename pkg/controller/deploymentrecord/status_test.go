// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newRecord() *v1alpha1.DeploymentRecord {
	return &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "echo", Namespace: "team", UID: "u", Generation: 2},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit:     v1alpha1.DeploymentUnit{ID: "echo", PackageName: "demo", ClassKey: "Echo"},
			TargetEnvironment:  "dev",
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "say", Image: "echo:1"}},
		},
	}
}

// newRendering runs the function of newRecord as a Deployment behind a Service.
func newRendering() *render.Rendering {
	rendering := &render.Rendering{Template: "deployment", Functions: []render.Function{{
		Key: "say", Name: "echo-say", Replicas: 1,
		Workload: &render.Ref{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: "echo-say"},
	}}}
	for _, kind := range []schema.GroupVersionKind{appsv1.SchemeGroupVersion.WithKind("Deployment"), corev1.SchemeGroupVersion.WithKind("Service")} {
		intent := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
		intent.SetGroupVersionKind(kind)
		intent.SetName("echo-say")
		if kind.Kind == "Deployment" {
			_ = unstructured.SetNestedField(intent.Object, int64(1), "spec", "replicas")
		}
		object := render.ObjectOf(intent)
		object.Function = "say"
		rendering.Objects = append(rendering.Objects, object)
	}
	return rendering
}

// seen is an observation in which every child is live and the Deployment is in the
// given state.
func seen(t *testing.T, state map[string]any, change ...func(*observation)) *observation {
	t.Helper()
	rendering := newRendering()
	o := &observation{rendering: rendering, complete: true}
	o.applied = true
	for _, object := range rendering.Objects {
		live := object.Intent.DeepCopy()
		live.SetUID("live")
		live.SetGeneration(1)
		if live.GetKind() == "Deployment" {
			if err := unstructured.SetNestedMap(live.Object, state, "status"); err != nil {
				t.Fatal(err)
			}
		}
		o.children = append(o.children, child{Object: object, live: children.Digest(live.GroupVersionKind(), live)})
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func available(status string) []any {
	return []any{
		map[string]any{"type": "Available", "status": status},
		map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
	}
}

var (
	serving  = map[string]any{"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1), "conditions": available("True")}
	starting = map[string]any{"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "unavailableReplicas": int64(1), "conditions": available("False")}
	rolling  = map[string]any{"observedGeneration": int64(1), "replicas": int64(2), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1), "conditions": available("True")}
	nothing  = map[string]any{}
)

func TestComputeStatus(t *testing.T) {
	crash := func(o *observation) {
		o.troubles = map[string]trouble{"say": {reason: "CrashLoopBackOff", message: "exit 1"}}
	}
	cases := map[string]struct {
		seen                             *observation
		available, progressing, degraded string
		condition                        v1alpha1.RecordCondition
		phase                            v1alpha1.RecordPhase
		says                             string
	}{
		"every function serves":         {seen(t, serving), "True/Serving", "False/Complete", "False/AsExpected", v1alpha1.RecordRunning, v1alpha1.PhaseReady, "Every function serves"},
		"nothing has started":           {seen(t, nothing), "False/Starting", "True/RollingOut", "False/AsExpected", v1alpha1.RecordProvisioning, v1alpha1.PhasePodScheduling, "say"},
		"pods are not ready yet":        {seen(t, starting), "False/Starting", "True/RollingOut", "False/AsExpected", v1alpha1.RecordProvisioning, v1alpha1.PhaseHealthChecking, "say"},
		"the old revision still serves": {seen(t, rolling), "True/Serving", "True/RollingOut", "False/AsExpected", v1alpha1.RecordProvisioning, v1alpha1.PhaseHealthChecking, "Rolling out say"},
		"a container crashes":           {seen(t, starting, crash), "False/CrashLoopBackOff", "True/RollingOut", "True/CrashLoopBackOff", v1alpha1.RecordFailed, v1alpha1.PhaseHealthChecking, "exit 1"},
		"a new revision crashes while the old one serves": {
			seen(t, rolling, crash), "True/Serving", "True/RollingOut", "True/CrashLoopBackOff", v1alpha1.RecordProvisioning, v1alpha1.PhaseHealthChecking, "exit 1",
		},
		"an evicted pod has been replaced": {
			seen(t, serving, func(o *observation) {
				o.troubles = map[string]trouble{"say": {reason: "Evicted", message: "disk", ended: true}}
			}), "True/Serving", "False/Complete", "False/AsExpected", v1alpha1.RecordRunning, v1alpha1.PhaseReady, "Every function serves",
		},
		"an evicted pod has not been replaced yet": {
			seen(t, starting, func(o *observation) {
				o.troubles = map[string]trouble{"say": {reason: "Evicted", message: "disk", ended: true}}
			}), "False/Evicted", "True/RollingOut", "True/Evicted", v1alpha1.RecordFailed, v1alpha1.PhaseHealthChecking, "disk",
		},
		"a reason that a condition cannot hold": {
			seen(t, starting, func(o *observation) {
				o.troubles = map[string]trouble{"say": {reason: "OutOfexample.com/gpu", message: "none left", ended: true}}
			}), "False/OutOfexample_com_gpu", "True/RollingOut", "True/OutOfexample_com_gpu", v1alpha1.RecordFailed, v1alpha1.PhaseHealthChecking, "none left",
		},
		"a name is taken": {
			seen(t, nothing, func(o *observation) {
				o.children[1].live, o.children[1].fault = nil, taken("Service", "x")
			}), "False/Conflict", "False/Conflict", "True/Conflict", v1alpha1.RecordFailed, v1alpha1.PhaseResourceProvisioning, "Service x",
		},
		"the API server refuses a child": {
			seen(t, serving, func(o *observation) { o.children[0].fault = faultOf(errors.New("quota")); o.complete = false }),
			"True/Serving", "False/ApplyFailed", "True/ApplyFailed", v1alpha1.RecordRunning, v1alpha1.PhaseResourceProvisioning, "quota",
		},
		"a child beside the workload is on its way out": {
			seen(t, serving, func(o *observation) {
				live := o.children[1].Intent.DeepCopy()
				live.SetDeletionTimestamp(&metav1.Time{Time: noon})
				o.children[1].live, o.complete = children.Digest(live.GroupVersionKind(), live), false
			}), "True/Serving", "True/Recreating", "False/AsExpected", v1alpha1.RecordProvisioning, v1alpha1.PhaseHealthChecking, "Service echo-say",
		},
		"the record cannot be rendered": {
			&observation{renderErr: errors.New("no template")},
			"False/RenderFailed", "False/RenderFailed", "True/RenderFailed", v1alpha1.RecordFailed, v1alpha1.PhaseTemplateSelection, "no template",
		},
		"no function has a workload": {
			&observation{rendering: &render.Rendering{Template: "deployment"}, complete: true},
			"True/NoWorkloads", "False/Complete", "False/AsExpected", v1alpha1.RecordRunning, v1alpha1.PhaseReady, "No function",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status := computeStatus(newRecord(), tc.seen, noon)
			for kind, want := range map[string]string{
				v1alpha1.ConditionAvailable: tc.available, v1alpha1.ConditionProgressing: tc.progressing, v1alpha1.ConditionDegraded: tc.degraded,
			} {
				condition := meta.FindStatusCondition(status.Conditions, kind)
				if condition == nil || string(condition.Status)+"/"+condition.Reason != want {
					t.Errorf("%s = %+v, want %s", kind, condition, want)
				}
			}
			if status.Condition != tc.condition || status.Phase != tc.phase {
				t.Errorf("condition %s in phase %s, want %s in %s", status.Condition, status.Phase, tc.condition, tc.phase)
			}
			if !strings.Contains(status.Message, tc.says) {
				t.Errorf("message %q does not say %q", status.Message, tc.says)
			}
		})
	}
}

func TestWhatRunsIsToldOfARecordThatCannotBeRendered(t *testing.T) {
	refused := errors.New("no template")
	record := newRecord()
	record.Status = computeStatus(record, seen(t, serving), noon)
	record.Status.ResourceRefs = []v1alpha1.ResourceReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "echo-say"}}
	crash := trouble{reason: crashLoop, message: "exit 1"}
	cases := map[string]struct {
		runs      []leftAlone
		available string
		ready     int32
		says      string
	}{
		"nobody could look":       {nil, "True/Serving", 1, ""},
		"it serves":               {[]leftAlone{{key: "say", ready: 2, available: true}}, "True/Serving", 2, ""},
		"one of its pods crashes": {[]leftAlone{{key: "say", ready: 1, available: true, trouble: &crash}}, "True/Serving", 1, "exit 1"},
		"it crashes":              {[]leftAlone{{key: "say", trouble: &crash}}, "False/CrashLoopBackOff", 0, "exit 1"},
		"somebody took it away":   {[]leftAlone{{key: "say"}}, "False/Starting", 0, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status := computeStatus(record, &observation{renderErr: refused, leftAlone: tc.runs}, noon)
			condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAvailable)
			if got := string(condition.Status) + "/" + condition.Reason; got != tc.available {
				t.Errorf("Available = %s, want %s", got, tc.available)
			}
			function := status.FunctionContainerStatus[0]
			if function.ReadyReplicas != tc.ready || !strings.Contains(function.Message, tc.says) || (tc.says == "") != (function.Message == "") {
				t.Errorf("function = %+v, want %d ready and %q", function, tc.ready, tc.says)
			}
			if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionDegraded) || status.Condition != v1alpha1.RecordFailed {
				t.Errorf("condition %s, conditions %+v; want the failure to be told", status.Condition, status.Conditions)
			}
		})
	}
}

// templateError is an error of the second revision of a template.
type templateError struct{ template string }

func (templateError) Error() string                          { return "no such index" }
func (f templateError) RefusalTemplate() (name, hash string) { return f.template, "h2" }

func TestTheRevisionThatFailsARecordIsTold(t *testing.T) {
	record := newRecord()
	record.Status.SelectedTemplate, record.Status.TemplateHash = "deployment", "h1"
	for template, want := range map[string]string{"deployment": "h2", "statefulset": "h1"} {
		if got := computeStatus(record, &observation{renderErr: templateError{template}}, noon).TemplateHash; got != want {
			t.Errorf("after template %s failed the record has revision %s, want %s", template, got, want)
		}
	}
}

func TestARemovalThatGoesOnIsNoLongerDegraded(t *testing.T) {
	record := newRecord()
	record.Status = computeStatus(record, &observation{removing: true, broken: errors.New("a webhook refuses")}, noon)
	if !meta.IsStatusConditionTrue(record.Status.Conditions, v1alpha1.ConditionDegraded) {
		t.Fatal("what keeps the record from being removed is not told")
	}
	after := computeStatus(record, &observation{removing: true, parting: []string{"Service echo-say"}}, noon)
	if meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionDegraded) {
		t.Error("Degraded stays after nothing is in the way any more")
	}
}

func TestStatusOfTheSameIsTheSame(t *testing.T) {
	record := newRecord()
	record.Status = computeStatus(record, seen(t, serving), noon)
	again := computeStatus(record, seen(t, serving), noon.Add(time.Hour))
	if !equality.Semantic.DeepEqual(record.Status, again) {
		t.Error("status differs although nothing changed")
	}
	later := computeStatus(record, seen(t, starting), noon.Add(time.Hour))
	if got := meta.FindStatusCondition(later.Conditions, v1alpha1.ConditionAvailable).LastTransitionTime.Time; !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("time of the transition is %v", got)
	}
	if got := meta.FindStatusCondition(later.Conditions, v1alpha1.ConditionDegraded).LastTransitionTime.Time; !got.Equal(noon) {
		t.Errorf("a condition without a transition moved to %v", got)
	}
}

func TestObservedGenerationWaitsForACompletePass(t *testing.T) {
	record := newRecord()
	record.Status.ObservedGeneration = 1
	incomplete := seen(t, serving, func(o *observation) { o.complete = false })
	if got := computeStatus(record, incomplete, noon).ObservedGeneration; got != 1 {
		t.Errorf("after an incomplete pass it is %d, want 1", got)
	}
	if got := computeStatus(record, seen(t, serving), noon).ObservedGeneration; got != 2 {
		t.Errorf("after a complete pass it is %d, want 2", got)
	}
}

func TestTransitions(t *testing.T) {
	record := newRecord()
	started := computeStatus(record, seen(t, starting), noon)
	if got := transitions(nil, started.Conditions); len(got) != 0 {
		t.Errorf("at first: %+v, want no news", got)
	}
	record.Status = started
	crashed := computeStatus(record, seen(t, starting, func(o *observation) {
		o.troubles = map[string]trouble{"say": {reason: "CrashLoopBackOff", message: "exit 1"}}
	}), noon)
	got := transitions(started.Conditions, crashed.Conditions)
	if len(got) != 1 || got[0].eventType != corev1.EventTypeWarning || got[0].reason != "CrashLoopBackOff" {
		t.Errorf("after a crash: %+v, want one warning", got)
	}
	if got := transitions(crashed.Conditions, crashed.Conditions); len(got) != 0 {
		t.Errorf("with nothing new: %+v", got)
	}
}

var ended = &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}

// restarted is a pod whose container has ended before and is not ready. It ceased
// to be ready the given time after noon.
func restarted(state corev1.ContainerState, unready time.Duration) corev1.Pod {
	return corev1.Pod{Status: corev1.PodStatus{
		Phase: corev1.PodRunning,
		Conditions: []corev1.PodCondition{{
			Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Time{Time: noon.Add(unready)},
		}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "function", RestartCount: 1, State: state, LastTerminationState: corev1.ContainerState{Terminated: ended},
		}},
	}}
}

// asInit makes the container of a pod one that starts before the others, and goes on
// beside them if it is to.
func asInit(pod corev1.Pod, beside bool) corev1.Pod {
	pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = pod.Status.ContainerStatuses, nil
	container := corev1.Container{Name: pod.Status.InitContainerStatuses[0].Name}
	if beside {
		container.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	}
	pod.Spec.InitContainers = []corev1.Container{container}
	return pod
}

func TestTroubleOfACrashStaysTheSameBetweenAttempts(t *testing.T) {
	states := []corev1.ContainerState{
		{Terminated: ended},
		{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "back-off 40s"}},
		{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: noon.Add(time.Minute)}}},
		{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "back-off 1m20s"}},
	}
	for sentence, as := range map[string]func(corev1.Pod) corev1.Pod{
		"of a function":                     func(pod corev1.Pod) corev1.Pod { return pod },
		"of what runs beside it":            func(pod corev1.Pod) corev1.Pod { return asInit(pod, true) },
		"of what has to end before it runs": func(pod corev1.Pod) corev1.Pod { return asInit(pod, false) },
	} {
		t.Run(sentence, func(t *testing.T) {
			var first *trouble
			for i, state := range states {
				pod := as(restarted(state, 0))
				got := troubleOf(&pod)
				if first == nil {
					first = got
				}
				if got == nil || *got != *first {
					t.Errorf("state %d: trouble = %+v, want %+v as before", i, got, first)
				}
			}
		})
	}
}

func TestWhatHasEndedBeforeTheFunctionIsNoTrouble(t *testing.T) {
	pod := asInit(restarted(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}, 0), false)
	if got := troubleOf(&pod); got != nil {
		t.Errorf("trouble = %+v, want none", got)
	}
}

func TestPodsThatRunHideThoseThatEnded(t *testing.T) {
	label := map[string]string{v1alpha1.LabelFunction: "say"}
	waiting := restarted(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}, 0)
	evicted := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}}
	waiting.Labels, evicted.Labels = label, label
	for _, pods := range [][]corev1.Pod{{waiting, evicted}, {evicted, waiting}} {
		if got := troublesOf(pods)["say"].reason; got != "ImagePullBackOff" {
			t.Errorf("trouble = %q, want that of the pod that is still wanted", got)
		}
	}
}

func TestTheNewestRevisionTellsWhatIsWrong(t *testing.T) {
	podOf := func(owner string, made time.Duration, reason string) corev1.Pod {
		pod := restarted(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}, 0)
		pod.Labels = map[string]string{v1alpha1.LabelFunction: "say"}
		pod.CreationTimestamp = metav1.Time{Time: noon.Add(made)}
		pod.OwnerReferences = []metav1.OwnerReference{{UID: types.UID(owner), Controller: new(true)}}
		return pod
	}
	cases := map[string]struct {
		pods []corev1.Pod
		want string
	}{
		"a change that does not help either": {
			pods: []corev1.Pod{podOf("old", 0, crashLoop), podOf("new", time.Minute, "ImagePullBackOff")}, want: "ImagePullBackOff",
		},
		"an old revision that replaces a pod": {
			pods: []corev1.Pod{podOf("old", 0, crashLoop), podOf("old", time.Hour, crashLoop), podOf("new", time.Minute, "ImagePullBackOff")}, want: "ImagePullBackOff",
		},
		"pods of one owner, whenever they were made": {
			pods: []corev1.Pod{podOf("one", 0, crashLoop), podOf("one", time.Minute, "ImagePullBackOff")}, want: crashLoop,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if got := troublesOf(tc.pods)["say"].reason; got != tc.want {
					t.Errorf("trouble = %q, want %q", got, tc.want)
				}
				slices.Reverse(tc.pods)
			}
		})
	}
}

func TestTroubleOf(t *testing.T) {
	waiting := func(reason string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "m"}},
		}}}
	}
	cases := map[string]struct {
		pod  corev1.Pod
		want string
	}{
		"a running pod has none":                                 {pod: corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}},
		"a pod that starts has none":                             {pod: corev1.Pod{Status: waiting("ContainerCreating")}},
		"a crashing container":                                   {pod: corev1.Pod{Status: waiting("CrashLoopBackOff")}, want: "CrashLoopBackOff"},
		"an image that cannot be pulled":                         {pod: corev1.Pod{Status: waiting("ImagePullBackOff")}, want: "ImagePullBackOff"},
		"an evicted pod":                                         {pod: corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}}, want: "Evicted"},
		"a container that ended and waits for its next start":    {pod: restarted(corev1.ContainerState{Terminated: ended}, 0), want: crashLoop},
		"a container that was started again and is not ready":    {pod: restarted(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: noon}}}, -time.Second), want: crashLoop},
		"a container that was ready since its restart, long ago": {pod: restarted(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: noon}}}, time.Hour)},
		"a pod on its way out does not count":                    {pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: noon}}, Status: waiting("CrashLoopBackOff")}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := troubleOf(&tc.pod)
			if (got == nil) != (tc.want == "") || (got != nil && got.reason != tc.want) {
				t.Errorf("trouble = %+v, want %q", got, tc.want)
			}
		})
	}
}

func TestRequirementsAreNotKnownToBeKept(t *testing.T) {
	states := map[string]*observation{
		"serving":                         seen(t, serving),
		"starting":                        seen(t, starting),
		"that cannot be rendered":         {renderErr: errors.New("no template")},
		"whose children nobody could see": {broken: errors.New("no answer")},
	}
	for name, o := range states {
		t.Run("a record "+name, func(t *testing.T) {
			record := newRecord()
			if got := meta.FindStatusCondition(computeStatus(record, o, noon).Conditions, v1alpha1.ConditionNFRCompliant); got != nil {
				t.Errorf("without requirements there is a condition: %+v", got)
			}
			record.Spec.NFRRequirements.MaxLatencyMs = new(int64(50))
			record.Status = computeStatus(record, o, noon)
			got := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionNFRCompliant)
			if got == nil || got.Status != metav1.ConditionUnknown || got.Reason != ReasonNotMeasured || got.ObservedGeneration != 2 {
				t.Fatalf("with requirements the condition is %+v, want Unknown/NotMeasured of generation 2", got)
			}
			if again := computeStatus(record, o, noon.Add(time.Hour)); !equality.Semantic.DeepEqual(record.Status, again) {
				t.Error("status differs although nothing changed")
			}
			for _, transition := range transitions(nil, record.Status.Conditions) {
				if transition.condition == v1alpha1.ConditionNFRCompliant {
					t.Errorf("what is not known became an event: %+v", transition)
				}
			}
			record.Spec.NFRRequirements = v1alpha1.NFRRequirements{}
			record.Generation++
			if got := meta.FindStatusCondition(computeStatus(record, o, noon).Conditions, v1alpha1.ConditionNFRCompliant); got != nil {
				t.Errorf("without requirements any more the condition is still %+v", got)
			}
		})
	}
}

// The first write of a record's status says so, so that no write is needed for it.
func TestTheFirstStatusTellsThatRequirementsAreNotMeasured(t *testing.T) {
	record := newRecord()
	record.Spec.NFRRequirements.Availability = "0.99"
	status := announced(record, &pass{rendering: newRendering()}, noon)
	if got := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionNFRCompliant); got == nil || got.Reason != ReasonNotMeasured {
		t.Errorf("condition = %+v, want one with the reason NotMeasured", got)
	}
}
