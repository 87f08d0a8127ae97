package mesh

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteWGQuick writes the device as a configuration of wg-quick. The private key is not in it: wg-quick reads it from
// keyFile on the machine, as wg genkey wrote it, when the interface comes up.
func (d Device) WriteWGQuick(w io.Writer, keyFile string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s of site %s\n[Interface]\nAddress = %s\nListenPort = %d\nMTU = %d\n", d.Node, d.Site, d.Address, d.ListenPort, d.MTU)
	fmt.Fprintf(&b, "PostUp = wg set %%i private-key %s\n", quoted(keyFile))
	for _, p := range d.Peers {
		fmt.Fprintf(&b, "\n# %s of site %s\n[Peer]\nPublicKey = %s\n", p.Node, p.Site, p.PublicKey)
		if p.Endpoint.IsValid() {
			fmt.Fprintf(&b, "Endpoint = %s\n", p.Endpoint)
		}
		texts := make([]string, len(p.AllowedIPs))
		for i, prefix := range p.AllowedIPs {
			texts[i] = prefix.String()
		}
		fmt.Fprintf(&b, "AllowedIPs = %s\n", strings.Join(texts, ", "))
		if p.PersistentKeepalive > 0 {
			fmt.Fprintf(&b, "PersistentKeepalive = %d\n", p.PersistentKeepalive/time.Second)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quoted makes a path one word of the shell that runs PostUp.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
