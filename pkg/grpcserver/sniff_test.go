// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

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
