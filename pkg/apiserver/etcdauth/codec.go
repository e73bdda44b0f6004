// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package etcdauth

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// message is a message as it was sent, in the wire format.
type message struct {
	content []byte
}

// codec leaves messages as they are. It has protobuf's name, which tells the
// receiver what the wire format is.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Marshal implements encoding.CodecV2.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return nil, fmt.Errorf("pass on a %T, want a message as it was sent", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(m.content)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return fmt.Errorf("receive a %T, want a message as it is sent", v)
	}
	m.content = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }
