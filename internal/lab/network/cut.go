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

// rules drop what crosses the WAN between the ports in the set. ARP passes: between real sites there are routers,
// and a cut in one direction must not silence the other by losing answers to "who has".
const rules = `table bridge lab {
	set cut { type ifname . ifname; }
	chain forward {
		type filter hook forward priority 0; policy accept;
		ether type arp accept
		iifname . oifname @cut counter drop
	}
}
`

func (f *Fabric) loadRules() error {
	_, err := f.nft(rules, "-f", "-")
	return err
}

// SetCut drops, or lets pass again, what the nodes of one site send to those of another. It returns the ports
// that are cut afterwards, as the kernel lists them, and an error when these are not the ones asked for.
func (f *Fabric) SetCut(from, to address.Site, cut bool) ([]string, error) {
	var pairs []string
	for _, a := range from.Nodes {
		for _, b := range to.Nodes {
			pairs = append(pairs, wanPort(from, a)+" . "+wanPort(to, b))
		}
	}
	before, err := f.cuts()
	if err != nil {
		return nil, err
	}
	changes := slices.DeleteFunc(slices.Clone(pairs), func(pair string) bool { return slices.Contains(before, pair) == cut })
	if len(changes) > 0 {
		verb := "add"
		if !cut {
			verb = "delete"
		}
		if _, err := f.nft("", verb, "element", "bridge", "lab", "cut", "{ "+strings.Join(changes, ", ")+" }"); err != nil {
			return nil, err
		}
	}
	after, err := f.cuts()
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		if slices.Contains(after, pair) != cut {
			return after, fmt.Errorf("cut %s to %s: the kernel lists %v", from.Name, to.Name, after)
		}
	}
	return after, nil
}

// cuts lists the pairs of ports that are cut now.
func (f *Fabric) cuts() ([]string, error) {
	text, err := f.nft("", "-j", "list", "set", "bridge", "lab", "cut")
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

func (f *Fabric) nft(input string, args ...string) ([]byte, error) {
	var output, complaint bytes.Buffer
	err := f.Namespace.Run(func() error {
		command := exec.Command("nft", args...)
		command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &output, &complaint
		return command.Run()
	})
	if err != nil {
		return nil, fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return output.Bytes(), nil
}
