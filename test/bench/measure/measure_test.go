// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	goruntime "runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for name, test := range map[string]struct {
		values []int
		q      float64
		want   int
	}{
		"of no values it is zero":               {q: 0.99},
		"of one value it is that one":           {values: []int{7}, q: 0.99, want: 7},
		"the middle of an odd number of values": {values: []int{9, 1, 5}, q: 0.5, want: 5},
		"the lower middle of an even number":    {values: []int{4, 1, 3, 2}, q: 0.5, want: 2},
		"0 is the smallest":                     {values: hundred, q: 0, want: 1},
		"1 is the largest":                      {values: hundred, q: 1, want: 100},
		"99 of 100 values do not exceed p99":    {values: hundred, q: 0.99, want: 99},
		"p99 of few values is the largest":      {values: []int{3, 2, 1}, q: 0.99, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.values)
			if got := Quantile(test.values, test.q); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if !slices.Equal(before, test.values) {
				t.Error("the values were put in another order")
			}
		})
	}
}

func TestStampsAreFoundHoweverTheStreamIsCut(t *testing.T) {
	want := []time.Duration{0, time.Nanosecond, 90 * time.Second}
	var stream strings.Builder
	for i, at := range want {
		stream.WriteString(strings.Repeat("stamped-", i) + `{"x":"` + Stamp(at) + `"}` + strings.Repeat("ä", 100_000))
	}
	for name, reader := range map[string]io.Reader{
		"at once":            strings.NewReader(stream.String()),
		"byte by byte":       iotest.OneByteReader(strings.NewReader(stream.String())),
		"with the end first": iotest.DataErrReader(strings.NewReader(stream.String())),
	} {
		t.Run(name, func(t *testing.T) {
			var got []time.Duration
			if err := ReadStamps(reader, func(at time.Duration) { got = append(got, at) }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestABrokenStreamIsTold(t *testing.T) {
	broken := errors.New("the connection broke")
	stream := io.MultiReader(strings.NewReader(Stamp(1)), iotest.ErrReader(broken))
	if err := ReadStamps(stream, func(time.Duration) {}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := ReadStamps(strings.NewReader("stamped-at:not a number, by far"), func(time.Duration) {}); err == nil {
		t.Error("a stamp without a number is taken for one")
	}
}

func TestReadUntilTheMarker(t *testing.T) {
	stream := strings.NewReader(strings.Repeat("x", 3*scanBuffer) + "the end" + strings.Repeat("y", 3*scanBuffer))
	read, err := ReadUntil(stream, "the end")
	if err != nil {
		t.Fatal(err)
	}
	if read < 3*scanBuffer+7 || read > 4*scanBuffer+7 {
		t.Errorf("%d bytes were read", read)
	}
	if _, err := ReadUntil(strings.NewReader("the en"), "the end"); err == nil {
		t.Error("a stream without the marker gives no error")
	}
}

func TestResidentBytes(t *testing.T) {
	got, err := ResidentBytes("Name:\tapiserver\nVmHWM:\t 9000 kB\nVmRSS:\t    1024 kB\n")
	if err != nil || got != MiB {
		t.Errorf("got %d, %v", got, err)
	}
	for _, status := range []string{"Name:\tkthreadd\n", "VmRSS:\tmuch\n", "VmRSS:\t12 MB\n"} {
		if _, err := ResidentBytes(status); err == nil {
			t.Errorf("%q gives no error", status)
		}
	}
}

func TestProcessTimes(t *testing.T) {
	got, err := ProcessTimes("42 (a (strange) name) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 200")
	if want := (Times{CPU: 3 * time.Second, Start: 123450 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, stat := range []string{"", "42 (name) S 1", "42 (name) S 1 42 42 0 -1 4194304 100 0 0 0 x 50 0 0 20 0 9 0 12345"} {
		if _, err := ProcessTimes(stat); err == nil {
			t.Errorf("%q gives no error", stat)
		}
	}
}

func TestUptime(t *testing.T) {
	if got, err := Uptime("11700.25 20000.00\n"); err != nil || got != 11700250*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Uptime(""); err == nil {
		t.Error("nothing is taken for a time")
	}
}

func TestLiveHeapBytesOfThisProcess(t *testing.T) {
	ballast := make([]byte, 64*MiB)
	var profile bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	live, err := LiveHeapBytes(&profile)
	if err != nil || live < int64(len(ballast)) {
		t.Errorf("got %d, %v, want at least %d", live, err, len(ballast))
	}
	goruntime.KeepAlive(ballast)
	if _, err := LiveHeapBytes(strings.NewReader("heap profile: 1: 2 [3: 4]\n")); err == nil {
		t.Error("a profile without memory statistics gives no error")
	}
}

func TestThePagesOfAListAreFollowed(t *testing.T) {
	encoder := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	for name, token := range map[string]string{"one with a next page": "eyJ2IjoibWV0YSJ9", "the last page": ""} {
		t.Run(name, func(t *testing.T) {
			page := &corev1.ConfigMapList{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"},
				ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: token},
				Items:    []corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}},
			}
			asJSON, err := json.Marshal(page)
			if err != nil {
				t.Fatal(err)
			}
			if got := ContinueInJSON(asJSON); got != token {
				t.Errorf("in JSON: got %q, want %q", got, token)
			}
			asProtobuf, err := runtime.Encode(encoder, page)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ContinueInProtobuf(asProtobuf); err != nil || got != token {
				t.Errorf("in protobuf: got %q, %v, want %q", got, err, token)
			}
			if _, err := ContinueInProtobuf(asJSON); err == nil {
				t.Error("JSON is taken for protobuf")
			}
		})
	}
}
