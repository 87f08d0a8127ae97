package network

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// Loss is a way in which packets are lost between sites.
type Loss string

const (
	// Cut loses everything but ARP: between real sites there are routers, and a cut in one direction must not silence the
	// other by losing answers to "who has".
	Cut Loss = "cut"
	// Hole loses packets longer than [HoleLength], and tells nobody: handshakes and pings pass, bulk does not.
	Hole Loss = "hole"
)

// HoleLength is the length in bytes, from the IP header on, that a [Hole] lets pass.
const HoleLength = 1300

// rules drop what enters the WAN at a port and is for an address, if both stand in a set: before it is bridged, or
// handed to the relay.
var rules = fmt.Sprintf(`table bridge lab {
	set cut { type ifname . ipv4_addr; }
	set hole { type ifname . ipv4_addr; }
	chain prerouting {
		type filter hook prerouting priority 0; policy accept;
		iifname . ip daddr @cut counter drop
		ip length > %d iifname . ip daddr @hole counter drop
	}
}
`, HoleLength)

func (f *Fabric) loadRules() error {
	_, err := f.Namespace.nft(rules, "-f", "-")
	return err
}

// SetLoss loses, or lets pass again, what the nodes of one site send to those of another. It returns what is lost so
// afterwards, as the kernel lists it, and an error when that is not what was asked for.
func (f *Fabric) SetLoss(loss Loss, from, to address.Site, on bool) ([]string, error) {
	var pairs []string
	for _, a := range from.Nodes {
		for _, b := range to.Nodes {
			pairs = append(pairs, wanPort(from, a)+" . "+b.WAN.String())
		}
	}
	before, err := f.lost(loss)
	if err != nil {
		return nil, err
	}
	changes := slices.DeleteFunc(slices.Clone(pairs), func(pair string) bool { return slices.Contains(before, pair) == on })
	if len(changes) > 0 {
		verb := "add"
		if !on {
			verb = "delete"
		}
		if _, err := f.Namespace.nft("", verb, "element", "bridge", "lab", string(loss), "{ "+strings.Join(changes, ", ")+" }"); err != nil {
			return nil, err
		}
	}
	after, err := f.lost(loss)
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		if slices.Contains(after, pair) != on {
			return after, fmt.Errorf("%s %s to %s: the kernel lists %v", loss, from.Name, to.Name, after)
		}
	}
	return after, nil
}

// lost lists the pairs of a port and an address between which packets are lost now.
func (f *Fabric) lost(loss Loss) ([]string, error) {
	text, err := f.Namespace.nft("", "-j", "list", "set", "bridge", "lab", string(loss))
	if err != nil {
		return nil, err
	}
	var answer struct {
		NFTables []struct {
			Set struct {
				Elem []struct{ Concat []string } `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("nft: %w", err)
	}
	var pairs []string
	for _, object := range answer.NFTables {
		for _, element := range object.Set.Elem {
			pairs = append(pairs, strings.Join(element.Concat, " . "))
		}
	}
	return pairs, nil
}

func (n *Namespace) nft(input string, args ...string) ([]byte, error) {
	var output, complaint bytes.Buffer
	err := n.Run(func() error {
		command := exec.Command("nft", args...)
		command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &output, &complaint
		return command.Run()
	})
	if err != nil {
		return nil, fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return output.Bytes(), nil
}

// DropICMP loses every ICMP message that reaches, leaves or passes the node, or lets them pass again.
func (n *Namespace) DropICMP(on bool) error {
	script := "table inet labicmp\ndelete table inet labicmp\n"
	if on {
		script += "table inet labicmp {\n"
		for _, hook := range []string{"input", "output", "forward"} {
			script += "	chain " + hook + " { type filter hook " + hook + " priority -10; policy accept; meta l4proto { icmp, icmpv6 } counter drop; }\n"
		}
		script += "}\n"
	}
	_, err := n.nft(script, "-f", "-")
	return err
}
