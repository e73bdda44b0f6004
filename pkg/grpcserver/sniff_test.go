// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2"
)

// frames writes some frames.
func frames(t *testing.T, write func(*http2.Framer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := write(http2.NewFramer(&out, nil)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTheFirstAcknowledgementIsLeftOut(t *testing.T) {
	ack := frames(t, (*http2.Framer).WriteSettingsAck)
	data := frames(t, func(f *http2.Framer) error { return f.WriteData(1, false, bytes.Repeat([]byte("x"), 1000)) })
	empty := frames(t, func(f *http2.Framer) error { return f.WriteData(1, false, nil) })
	settings := frames(t, func(f *http2.Framer) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for sentence, test := range map[string]struct{ sent, want []byte }{
		"at once":                     {join(ack, data), data},
		"after others":                {join(settings, data, empty, ack, data), join(settings, data, empty, data)},
		"only the first":              {join(ack, data, ack), join(data, ack)},
		"none, and the caller leaves": {join(data, empty), join(data, empty)},
		"nothing at all":              {nil, nil},
	} {
		for way, limit := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "in halves": iotest.HalfReader,
			"with the end at once": iotest.DataErrReader,
		} {
			t.Run(sentence+", "+way, func(t *testing.T) {
				source := limit(bytes.NewReader(test.sent))
				got, err := io.ReadAll(iotest.OneByteReader(io.MultiReader(&withoutAck{source: source}, source)))
				if err != nil || !bytes.Equal(got, test.want) {
					t.Errorf("got %d bytes, %v, want %d", len(got), err, len(test.want))
				}
			})
		}
	}
}

// A caller can send for seconds without ever asking for anything.
func TestWhatComesBeforeTheFirstRequestIsBounded(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	sent := make(chan int, 1)
	go func() {
		total, _ := theirs.Write([]byte(http2.ClientPreface))
		framer := http2.NewFramer(theirs, nil)
		for framer.WriteRawFrame(0xfa, 0, 0, make([]byte, maxFrame)) == nil {
			total += maxFrame
		}
		sent <- total
	}()
	conn := &acceptedConn{Conn: ours}
	err := conn.sniff()
	_ = ours.Close()
	if total := <-sent; err == nil || conn.grpc || total > maxFirst+2*maxFrame {
		t.Errorf("%d bytes were taken (%v), want at most %d and a refusal", total, err, maxFirst)
	}
}

func TestStreamsOverHTTPEndAsConnectionsOfGRPCDo(t *testing.T) {
	var deadline time.Time
	handler := bounded(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { deadline, _ = r.Context().Deadline() }))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if left := time.Until(deadline); deadline.IsZero() || left > maxConnection {
		t.Errorf("a stream may last until %v, want %v at most: its caller was admitted once", deadline, maxConnection)
	}
}
