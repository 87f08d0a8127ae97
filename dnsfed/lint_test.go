package dnsfed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// good is a federated file of dc1, on which every fault below is an edit.
const good = `.:53 {
    ready
    kubernetai cluster.local 10.100.0.0/16 {
        pods insecure
        fallthrough cluster.local
    }
    kubernetai cluster.local 10.101.0.0/16 {
        kubeconfig /etc/coredns/dc2/config
        pods disabled
    }
    forward . /etc/resolv.conf
    loop
}
`

func TestLintFindsEachFaultAtItsLine(t *testing.T) {
	build := Build{Version: Version{1, 11, 3}, Waits: WaitsForOwn,
		Plugins: []string{"ready", "kubernetai", "forward", "loop", "autopath", "kubernetes", "bind"}}
	for name, c := range map[string]struct {
		old, new string
		build    Build
		want     string // rule:line:verdict
	}{
		"nothing wrong":          {"", "", build, ""},
		"remote first":           {"        pods insecure\n", "        kubeconfig /etc/coredns/dc2/config\n", build, "remote-first:3:fail"},
		"remote first, endpoint": {"        pods insecure\n", "        endpoint https://10.101.0.1\n", build, "remote-first:3:fail"},
		"own endpoint":           {"        pods insecure\n", "        endpoint https://10.100.0.1:443\n", build, ""},
		"own kubeconfig":         {"        pods insecure\n", "        kubeconfig /etc/coredns/dc1/config\n", build, ""},
		"no fallthrough":         {"        fallthrough cluster.local\n", "", build, "fallthrough:3:fail"},
		"fallthrough elsewhere":  {"        fallthrough cluster.local\n", "        fallthrough in-addr.arpa\n", build, "fallthrough:3:fail"},
		"last falls through":     {"        pods disabled\n", "        fallthrough\n", build, "fallthrough:9:fail"},
		"last, reverse only":     {"        pods disabled\n", "        fallthrough in-addr.arpa ip6.arpa\n", build, ""},
		"autopath":               {"    loop\n", "    loop\n    autopath @kubernetai\n", build, "autopath:13:fail"},
		"pods verified":          {"        pods disabled\n", "        pods verified\n", build, "pods-verified:9:warn"},
		"own pods verified":      {"        pods insecure\n", "        pods verified\n", build, ""},
		"waits for all":          {"", "", Build{Waits: WaitsForAll}, "readiness:2:fail"},
		"waits for who knows":    {"", "", Build{}, "readiness:2:unknown"},
		"no readiness at all":    {"    ready\n", "", Build{Waits: WaitsForAll}, ""},
		"stock remote":           {"    loop\n}\n", "    loop\n}\ndc2.x {\n    ready\n    kubernetes dc2.x {\n        kubeconfig /etc/coredns/dc2/config\n    }\n}\n", build, "readiness:15:fail"},
		"doubled zone":           {"    loop\n}\n", "    loop\n}\n. {\n}\n", build, "doubled-zone:14:fail"},
		"other port":             {"    loop\n}\n", "    loop\n}\n.:54 {\n}\n", build, ""},
		"other address":          {"    loop\n}\n", "    loop\n}\n. {\n    bind 127.0.0.1\n}\n", build, ""},
		"no loop":                {"    loop\n", "", build, "loop:11:warn"},
		"forwards to itself":     {"forward . /etc/resolv.conf", "forward . 9.9.9.9 10.100.0.10:53", build, "loop:11:fail"},
		"forwards to loopback":   {"forward . /etc/resolv.conf", "forward . dns://127.0.0.1", build, "loop:11:fail"},
		"missing plugin":         {"    loop\n", "    loop\n    log\n", build, "missing:13:fail"},
		"missing option":         {"        pods disabled\n", "        startup_timeout 1s\n", build, "missing:9:fail"},
		"no such option":         {"        pods disabled\n", "        upstream\n", build, "missing:9:fail"},
		"import":                 {"    loop\n", "    loop\n    import more\n", build, "unread:13:unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Replace(good, c.old, c.new, 1)
			if c.old != "" && file == good {
				t.Fatal("the fault was not put in")
			}
			remarks, err := federation(2).Lint("dc1", file, c.build)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range remarks {
				got = append(got, fmt.Sprintf("%s:%d:%s", r.Rule, r.Line, r.Verdict))
				if r.Problem == "" || r.Remedy == "" {
					t.Errorf("%+v says too little", r)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The guide lets every site have the same list of clusters (ICE guide, 4.3.2): in all sites but the first that puts
// another site first.
func TestLintFindsTheGuidesOrder(t *testing.T) {
	file := ".:53 {\n"
	for i, site := range federation(2).Sites {
		file += fmt.Sprintf("  kubernetai cluster.local {\n    endpoint https://%s\n", site.apiServer())
		if i == 0 {
			file += "    fallthrough\n"
		}
		file += "  }\n"
	}
	file += "}\n"
	for own, want := range map[geored.SiteName]int{"dc1": 0, "dc2": 1} {
		remarks, err := federation(2).Lint(own, file, Build{})
		if err != nil {
			t.Fatal(err)
		}
		if len(remarks) != want || want == 1 && remarks[0].Rule != RemoteFirst {
			t.Errorf("%s: got %+v", own, remarks)
		}
	}
}

func TestLintRefusesTwoStanzasOfTheStockPlugin(t *testing.T) {
	remarks, err := federation(2).Lint("dc1", strings.ReplaceAll(good, "kubernetai", "kubernetes"), Build{})
	if err != nil {
		t.Fatal(err)
	}
	if len(remarks) != 2 || remarks[0].Rule != Readiness || remarks[1].Rule != DoubledZone {
		t.Errorf("got %+v", remarks)
	}
}
