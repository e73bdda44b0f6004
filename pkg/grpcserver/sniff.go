// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// idleGRPC is how long a connection over HTTP/2 may stay without a request before
	// it is taken for that of a gRPC client that keeps one ready.
	idleGRPC = 3 * time.Second
	// maxFirstHeaders is the size of the headers of the first request, in bytes.
	maxFirstHeaders = 64 << 10

	// maxFirst is how much a caller may send before its first request is complete, in
	// bytes: headers and a few frames about the connection. It is kept until then.
	maxFirst = maxFirstHeaders + 64<<10

	// maxFrame is the largest frame that a client may send before it knows better.
	maxFrame = 16 << 10

	frameHeader = 9
)

// acceptedConn is a connection of which the first bytes are known.
type acceptedConn struct {
	net.Conn
	// tls is what the handshake agreed on; nil in plain text.
	tls *tls.ConnectionState
	// grpc is true for a connection that belongs to the gRPC server.
	grpc bool
	// unread comes before what the connection has to read; nil when all of it was.
	unread io.Reader
}

// Read gives the server what was read before it got the connection, then the rest.
func (c *acceptedConn) Read(p []byte) (int, error) {
	if c.unread == nil {
		return c.Conn.Read(p)
	}
	n, err := c.unread.Read(p)
	if errors.Is(err, io.EOF) {
		c.unread = nil
		if n == 0 {
			return c.Conn.Read(p)
		}
		err = nil
	}
	return n, err
}

// sniff reads until it is clear whose connection it is: that of the gRPC server when
// the first request is one of gRPC.
//
// Clients of gRPC wait for the server's settings before they ask for anything, so
// they get empty ones here. The server that gets the connection sends its own, and
// must not see the acknowledgement of settings that it did not send.
func (c *acceptedConn) sniff() error {
	var seen bytes.Buffer
	preface := make([]byte, len(http2.ClientPreface))
	if err := c.SetReadDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	for read := 0; read < len(preface); {
		n, err := c.Conn.Read(preface[read:])
		read += n
		seen.Write(preface[read-n : read])
		if !strings.HasPrefix(http2.ClientPreface, string(preface[:read])) {
			c.unread = &seen
			return c.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return fmt.Errorf("read the first bytes: %w", err)
		}
	}

	if err := c.SetDeadline(time.Now().Add(idleGRPC)); err != nil {
		return err
	}
	recorded := &bytes.Buffer{}
	framer := http2.NewFramer(c.Conn, io.TeeReader(io.LimitReader(c.Conn, maxFirst), recorded))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = maxFirstHeaders
	framer.SetMaxReadFrameSize(maxFrame)
	if err := framer.WriteSettings(); err != nil {
		return fmt.Errorf("send settings: %w", err)
	}
	acknowledged := false
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.grpc = true
			break
		}
		if err != nil {
			return fmt.Errorf("read the first request: %w", err)
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && settings.IsAck() && !acknowledged {
			acknowledged = true
			recorded.Reset()
			continue
		}
		_, _ = recorded.WriteTo(&seen)
		if headers, ok := frame.(*http2.MetaHeadersFrame); ok {
			c.grpc = isGRPC(headers)
			break
		}
	}
	// What is left is the beginning of a frame.
	c.unread = io.MultiReader(&seen, recorded)
	if !acknowledged {
		c.unread = io.MultiReader(&seen, &withoutAck{source: io.MultiReader(recorded, c.Conn)})
	}
	return c.SetDeadline(time.Time{})
}

// isGRPC is true for gRPC itself; gRPC-web is for browsers and goes over HTTP.
func isGRPC(headers *http2.MetaHeadersFrame) bool {
	for _, header := range headers.RegularFields() {
		if header.Name == "content-type" {
			rest, ok := strings.CutPrefix(header.Value, "application/grpc")
			return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
		}
	}
	return false
}

// withoutAck reads frames until the first acknowledgement of settings, leaves that
// one out and ends.
type withoutAck struct {
	source io.Reader
	// header of the next frame as far as it was read.
	header [frameHeader]byte
	have   int
	// given is how much of the header was given out, once it is complete.
	given int
	// payload is what is left of the frame's payload.
	payload uint32
}

// Read gives out whole headers and parts of payloads.
func (w *withoutAck) Read(p []byte) (int, error) {
	if w.have == frameHeader && w.given == frameHeader && w.payload == 0 {
		w.have, w.given = 0, 0
	}
	for w.have < frameHeader {
		n, err := w.source.Read(w.header[w.have:])
		w.have += n
		if w.have < frameHeader {
			if err != nil {
				return 0, err
			}
			continue
		}
		length := binary.BigEndian.Uint32(w.header[:4]) >> 8
		if http2.FrameType(w.header[3]) == http2.FrameSettings && http2.Flags(w.header[4]).Has(http2.FlagSettingsAck) && length == 0 {
			return 0, io.EOF
		}
		w.payload = length
	}
	if w.given < frameHeader {
		n := copy(p, w.header[w.given:])
		w.given += n
		return n, nil
	}
	if uint32(min(len(p), 1<<24)) > w.payload {
		p = p[:w.payload]
	}
	n, err := w.source.Read(p)
	w.payload -= uint32(n)
	return n, err
}
