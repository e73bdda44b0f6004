// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ruleComment marks the rules of this package.
const ruleComment = "oaas-real-node"

// podRules let pods out into the world and past a firewall that forwards
// nothing by default, as one with Docker does.
func podRules(subnet netip.Prefix) string {
	s := subnet.Masked().String()
	return strings.Join([]string{
		"*nat",
		fmt.Sprintf("-A POSTROUTING -s %s ! -d %s -m comment --comment %s -j MASQUERADE", s, s, ruleComment),
		"COMMIT",
		"*filter",
		fmt.Sprintf("-I FORWARD -s %s -m comment --comment %s -j ACCEPT", s, ruleComment),
		fmt.Sprintf("-I FORWARD -d %s -m comment --comment %s -j ACCEPT", s, ruleComment),
		"COMMIT",
		"",
	}, "\n")
}

// removal returns the input for iptables-restore --noflush that takes away what
// kube-proxy and podRules added, given the output of iptables-save. It is empty
// if there is nothing to take away.
func removal(saved []byte) string {
	var out strings.Builder
	var table string
	var rules, chains []string
	scanner := bufio.NewScanner(bytes.NewReader(saved))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case strings.HasPrefix(line, "*"):
			table, rules, chains = line, nil, nil
		case strings.HasPrefix(line, ":KUBE-"):
			chain, _, _ := strings.Cut(line[1:], " ")
			chains = append(chains, chain)
		case strings.HasPrefix(line, "-A ") && ours(line):
			rules = append(rules, "-D "+strings.TrimPrefix(line, "-A "))
		case line == "COMMIT" && len(rules)+len(chains) > 0:
			writeRemoval(&out, table, rules, chains)
		}
	}
	return out.String()
}

// ours says whether a rule of a chain that stays must go.
func ours(rule string) bool {
	words := strings.Fields(rule)
	if strings.HasPrefix(words[1], "KUBE-") {
		return false // goes with its chain
	}
	for i, word := range words[:len(words)-1] {
		next := words[i+1]
		if word == "-j" && strings.HasPrefix(next, "KUBE-") || word == "--comment" && strings.Trim(next, `"`) == ruleComment {
			return true
		}
	}
	return false
}

// writeRemoval empties all chains before it deletes any, because a chain that
// another one jumps to cannot be deleted.
func writeRemoval(out *strings.Builder, table string, rules, chains []string) {
	lines := slices.Concat([]string{table}, rules)
	for _, chain := range chains {
		lines = append(lines, ":"+chain+" - [0:0]")
	}
	for _, chain := range chains {
		lines = append(lines, "-X "+chain)
	}
	for _, line := range append(lines, "COMMIT") {
		out.WriteString(line + "\n")
	}
}

// allowPods adds podRules, once.
func allowPods(ctx context.Context, subnet netip.Prefix) error {
	saved, err := run(ctx, nil, "iptables-save")
	if err != nil {
		return fmt.Errorf("reading the firewall: %w", err)
	}
	if bytes.Contains(saved, []byte(ruleComment)) {
		return nil
	}
	if err := restoreRules(ctx, "iptables", podRules(subnet)); err != nil {
		return fmt.Errorf("letting pods through the firewall: %w", err)
	}
	return nil
}

// removeRules clears both firewalls: kube-proxy writes to that of IPv6 too.
func removeRules(ctx context.Context) error {
	var failures []error
	for _, family := range []string{"iptables", "ip6tables"} {
		saved, err := run(ctx, nil, family+"-save")
		if err != nil {
			if family == "iptables" {
				failures = append(failures, fmt.Errorf("reading the firewall: %w", err))
			}
			continue // a machine without IPv6
		}
		if rules := removal(saved); rules != "" {
			if err := restoreRules(ctx, family, rules); err != nil {
				failures = append(failures, fmt.Errorf("clearing the firewall: %w", err))
			}
		}
	}
	return errors.Join(failures...)
}

func restoreRules(ctx context.Context, family, rules string) error {
	// The lock is shared with kube-proxy and others.
	_, err := run(ctx, strings.NewReader(rules), family+"-restore", "--noflush", "--wait", "10")
	return err
}
