package agent

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// masquerade keeps two rules in place. Kilo's own: what comes from a peer and goes to a place nobody knows leaves with
// this node's address. And flannel's, which the laboratory has no flannel for: what pods send outside the cluster leaves
// with the address of the interface it leaves through, so that a remote site sees the node's WireGuard address.
func masquerade(t overlay.Topology, device string) error {
	var pods, known, peers []netip.Prefix
	for _, s := range t.Segments {
		known = append(known, s.Allowed...)
		if t.Local(s) {
			pods = append(pods, s.Pods...)
		}
	}
	for _, p := range t.Peers {
		peers = append(peers, p.Allowed...)
	}
	known = append(known, peers...)
	var text strings.Builder
	text.WriteString("table ip kilo\ndelete table ip kilo\ntable ip kilo {\n")
	writeSet(&text, "pods", pods)
	writeSet(&text, "known", known)
	writeSet(&text, "peers", peers)
	fmt.Fprintf(&text, `	chain nat {
		type nat hook postrouting priority srcnat + 10; policy accept;
		ip saddr @peers ip daddr != @known masquerade
		oifname %q ip saddr @pods masquerade
	}
}
`, device)
	return nft(text.String())
}

func writeSet(text *strings.Builder, name string, prefixes []netip.Prefix) {
	fmt.Fprintf(text, "\tset %s {\n\t\ttype ipv4_addr; flags interval; auto-merge;\n", name)
	var elements []string
	for _, p := range prefixes {
		if p.Addr().Is4() {
			elements = append(elements, p.Masked().String())
		}
	}
	if len(elements) > 0 {
		fmt.Fprintf(text, "\t\telements = { %s }\n", strings.Join(elements, ", "))
	}
	text.WriteString("\t}\n")
}

func noMasquerade() error { return nft("table ip kilo\ndelete table ip kilo\n") }

func nft(script string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(script)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}
