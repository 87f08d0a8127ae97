package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Sever loses all that passes a node between some pods and some addresses of a site, both ways; with no pods it lets
// everything pass again.
func (n *Namespace) Sever(site int, pods, others []netip.Addr) error {
	table := severedTable(site)
	script := fmt.Sprintf("table %[1]s\ndelete table %[1]s\n", table)
	if len(pods) > 0 {
		script += fmt.Sprintf(`table %s {
	chain forward {
		type filter hook forward priority -10; policy accept;
		ip saddr %[2]s ip daddr %[3]s counter drop
		ip saddr %[3]s ip daddr %[2]s counter drop
	}
}
`, table, set(pods), set(others))
	}
	_, err := n.nft(script, "-f", "-")
	return err
}

// Severed is how many packets were lost so.
func (n *Namespace) Severed(site int) (packets int, err error) {
	text, err := n.nft("", append([]string{"-j", "list", "table"}, strings.Fields(severedTable(site))...)...)
	if err != nil {
		return 0, err
	}
	var answer struct {
		NFTables []struct {
			Rule struct {
				Expr []struct{ Counter struct{ Packets int } }
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("nft: %w", err)
	}
	for _, object := range answer.NFTables {
		for _, e := range object.Rule.Expr {
			packets += e.Counter.Packets
		}
	}
	return packets, nil
}

func severedTable(site int) string { return fmt.Sprintf("ip labsevered%d", site) }

func set(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}
