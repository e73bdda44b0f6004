// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is the environment of a node.
type Config struct {
	// NodeID is the id of this node, one of Members.
	NodeID uint64
	// NodeAddr is the URL at which others reach this node.
	NodeAddr string
	// HTTPPort is the port of gRPC. Defaults to 8080.
	HTTPPort uint16
	// Members are the ids of all nodes.
	Members []uint64
	// Collections that the node makes at its start.
	Collections []Collection
	// MaxSessions is the number of network sessions. Defaults to 3.
	MaxSessions uint16
	// Reflection serves gRPC reflection. Defaults to false.
	Reflection bool
	// Events calls functions when state changes. Defaults to true.
	Events bool
	// MaxTriggerDepth bounds calls that set off others. Defaults to 10.
	MaxTriggerDepth uint32
	// TriggerTimeout bounds one such call. Defaults to 30 s.
	TriggerTimeout time.Duration
	// ZenohPort is the port between nodes. Defaults to 7447; 0 takes any.
	ZenohPort uint16
	// ZenohMode is peer, client or router. Defaults to peer.
	ZenohMode string
	// ZenohPeers are where to find other nodes, such as tcp/grid:7447.
	ZenohPeers []string
	// Log is the log filter.
	Log string
}

// Read reads a node's environment. getenv is os.Getenv or the like: a variable that
// is not set is empty. The error names every variable that is wrong.
func Read(getenv func(string) string) (*Config, error) {
	r := &reader{getenv: getenv}
	c := &Config{
		NodeID:          r.unsigned("ODGM_NODE_ID", "", 64),
		NodeAddr:        r.address("ODGM_NODE_ADDR"),
		HTTPPort:        uint16(r.unsigned("ODGM_HTTP_PORT", "8080", 16)),
		Members:         r.members("ODGM_MEMBERS"),
		MaxSessions:     uint16(r.unsigned("ODGM_MAX_SESSIONS", "3", 16)),
		Reflection:      r.boolean("ODGM_REFLECTION_ENABLED", "false"),
		Events:          r.boolean("ODGM_EVENTS_ENABLED", "true"),
		MaxTriggerDepth: uint32(r.unsigned("ODGM_MAX_TRIGGER_DEPTH", "10", 32)),
		TriggerTimeout:  r.milliseconds("ODGM_TRIGGER_TIMEOUT_MS", "30000"),
		ZenohPort:       uint16(r.unsigned("OPRC_ZENOH_PORT", "7447", 16)),
		ZenohMode:       r.oneOf("OPRC_ZENOH_MODE", "peer", "peer", "client", "router"),
		ZenohPeers:      r.peers("OPRC_ZENOH_PEERS"),
		Log:             getenv("RUST_LOG"),
	}
	if len(r.problems) == 0 && !slices.Contains(c.Members, c.NodeID) {
		r.wrong("ODGM_NODE_ID", strconv.FormatUint(c.NodeID, 10), "it is not among ODGM_MEMBERS")
	}
	if text := getenv("ODGM_COLLECTION"); text != "" {
		var err error
		if c.Collections, err = Collections(text, c.Members); err != nil {
			r.problems = append(r.problems, fmt.Errorf("ODGM_COLLECTION: %w", err))
		}
	}
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	return c, nil
}

// reader collects what is wrong.
type reader struct {
	getenv   func(string) string
	problems []error
}

func (r *reader) wrong(name, value, remedy string) {
	r.problems = append(r.problems, fmt.Errorf("%s is %q: %s", name, value, remedy))
}

// unsigned is a number of some bits; without a fallback it has to be set.
func (r *reader) unsigned(name, fallback string, bits int) uint64 {
	text := r.getenv(name)
	if text == "" {
		text = fallback
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		r.wrong(name, text, fmt.Sprintf("set a whole number of %d bits", bits))
	}
	return n
}

func (r *reader) boolean(name, fallback string) bool {
	return r.oneOf(name, fallback, "true", "false") == "true"
}

func (r *reader) milliseconds(name, fallback string) time.Duration {
	const bits = 42                                                           // what a duration holds in milliseconds
	return time.Duration(r.unsigned(name, fallback, bits)) * time.Millisecond //nolint:gosec // at most 42 bits
}

func (r *reader) oneOf(name, fallback string, allowed ...string) string {
	text := r.getenv(name)
	if text == "" {
		return fallback
	}
	if !slices.Contains(allowed, text) {
		r.wrong(name, text, fmt.Sprintf("set one of %q", allowed))
	}
	return text
}

// address is a URL with a host; empty means the node itself.
func (r *reader) address(name string) string {
	text := r.getenv(name)
	if text == "" {
		return ""
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" || u.Hostname() == "" {
		r.wrong(name, text, "set a URL such as http://10.0.0.1:8080")
	}
	return text
}

// members are never empty, never repeated, and numbers without any space.
func (r *reader) members(name string) []uint64 {
	text := r.getenv(name)
	var members []uint64
	for part := range strings.SplitSeq(text, ",") {
		id, err := strconv.ParseUint(part, 10, 64)
		switch {
		case err != nil:
			r.wrong(name, text, "set the ids of all nodes, whole numbers of 64 bits, with a comma and no space between")
			return nil
		case slices.Contains(members, id):
			r.wrong(name, text, fmt.Sprintf("%d is there twice", id))
			return nil
		}
		members = append(members, id)
	}
	return members
}

// peers are addresses of the form protocol/host:port.
func (r *reader) peers(name string) []string {
	text := r.getenv(name)
	if text == "" {
		return nil
	}
	peers := strings.Split(text, ",")
	for _, peer := range peers {
		protocol, address, ok := strings.Cut(peer, "/")
		host, port, err := net.SplitHostPort(address)
		if _, bad := strconv.ParseUint(port, 10, 16); !ok || protocol == "" || err != nil || host == "" || bad != nil {
			r.wrong(name, text, "set addresses such as tcp/grid:7447, with a comma between")
			return nil
		}
	}
	return peers
}
