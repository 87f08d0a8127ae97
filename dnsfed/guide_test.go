package dnsfed

import (
	"strings"
	"testing"
)

// guideCorefile is what comes of the guide's one dcs array for all clusters (ICE guide, l.588 to 632): dc1 first, in dc2
// too, and every cluster by its credentials.
const guideCorefile = `.:53 {
    errors
    ready
    kubernetai cluster.local in-addr.arpa ip6.arpa {
        kubeconfig /etc/coredns/dc1/config dc1
        pods insecure
        fallthrough
    }
    kubernetai cluster.local in-addr.arpa ip6.arpa {
        kubeconfig /etc/coredns/dc2/config dc2
        pods insecure
        fallthrough
    }
    cache 30
}
`

// Each fault of the ICE guide, chapter 4.3, that lies in a Corefile, by the line it stands on. Not covered: the values files
// of the chart, which nobody documents; commands that end in a stray character (l.686); that the test of 4.3.3 asks for a
// name without its namespace, which a search path completes.
func TestFaultsOfTheGuide(t *testing.T) {
	f := federation(2)
	for i := range f.Sites {
		f.Sites[i].Context = string(f.Sites[i].Name)
	}
	for line, c := range map[string]struct {
		own, old, new string
		build         Build
		want          Rule
	}{
		"l.632: the same order in every cluster":                      {own: "dc2", want: RemoteFirst},
		"l.632: and unknown names leave for nowhere":                  {own: "dc1", want: Fallthrough},
		"4.3.1: an image without the plugin":                          {own: "dc1", build: Build{Plugins: []string{"errors", "ready", "kubernetes", "cache"}}, want: Missing},
		"4.3.1: a stock plugin cannot stand twice":                    {own: "dc1", old: "kubernetai", new: "kubernetes", want: DoubledZone},
		"4.3: a restart while the other site is away":                 {own: "dc1", build: Build{Waits: WaitsForAll}, want: Readiness},
		"4.3: an option that kubernetai's CoreDNS 1.11 does not know": {own: "dc1", old: "pods insecure", new: "startup_timeout 1s", build: Build{Version: Version{1, 11, 3}}, want: Missing},
	} {
		t.Run(strings.SplitN(line, ":", 2)[0], func(t *testing.T) {
			file := guideCorefile
			if c.old != "" {
				file = strings.ReplaceAll(file, c.old, c.new)
			}
			site, _ := f.Site(f.Sites[0].Name)
			if c.own == "dc2" {
				site = f.Sites[1]
			}
			remarks, err := f.Lint(site.Name, file, c.build)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range remarks {
				if r.Rule == c.want && r.Remedy != "" {
					return
				}
			}
			t.Errorf("%s: no remark %s in %+v", line, c.want, remarks)
		})
	}
}
