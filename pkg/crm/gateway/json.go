// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// jsonCodec tells callers that what they sent is wrong; without it, a body that
// cannot be read would be an error of the server.
type jsonCodec struct{ vanguard.JSONCodec }

var _ vanguard.RESTCodec = jsonCodec{}

// newJSON refuses fields that are not known: a setting that is misspelt would be
// lost without a word. Answers have all fields, also those that are empty.
func newJSON(types vanguard.TypeResolver) vanguard.Codec {
	return jsonCodec{vanguard.JSONCodec{
		MarshalOptions:   protojson.MarshalOptions{Resolver: types, EmitUnpopulated: true},
		UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types},
	}}
}

// Unmarshal reads a message.
func (c jsonCodec) Unmarshal(data []byte, message proto.Message) error {
	return invalid(c.JSONCodec.Unmarshal(data, message))
}

// UnmarshalField reads a field of a message.
func (c jsonCodec) UnmarshalField(data []byte, message proto.Message, field protoreflect.FieldDescriptor) error {
	return invalid(c.JSONCodec.UnmarshalField(data, message, field))
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return connect.NewError(connect.CodeInvalidArgument, err)
}
