// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"net"

	"google.golang.org/grpc/credentials"
)

// handshaken are the credentials of connections whose handshake was done before the
// gRPC server got them; others are done as usual.
type handshaken struct {
	credentials.TransportCredentials
}

// ServerHandshake tells the server who the caller is.
func (h handshaken) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	accepted, ok := conn.(*acceptedConn)
	if !ok || accepted.tls == nil {
		return h.TransportCredentials.ServerHandshake(conn)
	}
	return conn, credentials.TLSInfo{
		State:          *accepted.tls,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// Clone returns a copy.
func (h handshaken) Clone() credentials.TransportCredentials {
	return handshaken{h.TransportCredentials.Clone()}
}
