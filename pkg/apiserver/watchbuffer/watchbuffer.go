// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watchbuffer lets a watch that has fallen behind send several events at
// once.
//
// A watch flushes when it has no further event to send. HTTP/2 buffers 4 KiB before
// that, which is less than one of our objects, so that each event became a frame,
// an encryption, a system call and a wake-up of its own, here and once more in
// kube-apiserver, which passes it on. That is most of what an event costs. With a
// larger buffer a watch becomes cheaper just when there is more to send than it
// can follow. One that keeps up sends each event at once, as before.
package watchbuffer

import (
	"bufio"
	"net/http"
	"sync"

	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// Size of the buffer of a watch in bytes. It is taken up only while something is in
// it.
const Size = 32 << 10

// WithBuffer buffers the answers to watches. Requests must have been described by
// the filter of request information before.
func WithBuffer(next http.Handler) http.Handler {
	buffers := &sync.Pool{New: func() any { return bufio.NewWriterSize(nil, Size) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, known := request.RequestInfoFrom(r.Context())
		// Web sockets take over the connection.
		if !known || info.Verb != "watch" || r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		buffered := &writer{ResponseWriter: w, buffers: buffers}
		// The writer can do what the connection can, as further ones around it expect.
		next.ServeHTTP(responsewriter.WrapForHTTP1Or2(buffered), r)
		buffered.end()
	})
}

// writer holds back what is written until it is flushed or the buffer is full. It
// is used by one goroutine at a time, as every http.ResponseWriter.
type writer struct {
	http.ResponseWriter
	buffers *sync.Pool
	// buffer is nil while nothing is held back.
	buffer *bufio.Writer
}

// Write implements io.Writer. An error of the connection comes with a later write.
func (w *writer) Write(p []byte) (int, error) {
	if w.buffer == nil {
		w.buffer = w.buffers.Get().(*bufio.Writer)
		w.buffer.Reset(w.ResponseWriter)
	}
	return w.buffer.Write(p)
}

// Flush implements http.Flusher.
func (w *writer) Flush() {
	w.end()
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a server's writer can flush; the next write tells of a broken connection
}

// end hands over what is held back. An error stays in the buffer, which is kept then
// for later writes to fail.
func (w *writer) end() {
	if w.buffer == nil || w.buffer.Flush() != nil {
		return
	}
	w.buffer.Reset(nil)
	w.buffers.Put(w.buffer)
	w.buffer = nil
}

// Unwrap lets http.ResponseController reach the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var (
	_ http.Flusher                         = (*writer)(nil)
	_ responsewriter.UserProvidedDecorator = (*writer)(nil)
)
