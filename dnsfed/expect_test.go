package dnsfed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

func addr(text string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(text)} }

func server(site geored.SiteName) Server {
	return Server{Site: site, Kind: ServerPod, Name: "coredns", Address: netip.MustParseAddrPort("10.0.0.1:53")}
}

// asked is the questions of a table about one name over UDP, as "case type code records of site".
func asked(t *testing.T, f Federation, r Records, own geored.SiteName, name string) []string {
	t.Helper()
	table, err := f.Expect(r, []Server{server(own)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, q := range table.Questions {
		if q.Name == name && q.Transport == "udp" {
			line := strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", q.Case, q.Type, q.Want.Code, strings.Join(q.Want.Records, ","), q.From))
			if q.Unsure != "" {
				line = "unsure"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestExpect(t *testing.T) {
	services := []Service{
		{Site: "dc2", Namespace: "default", Name: "kubernetes", Addresses: addr("10.101.0.1"), Endpoints: []Endpoint{{Address: netip.MustParseAddr("192.168.2.1")}}},
		{Site: "dc1", Namespace: "a", Name: "both", Addresses: addr("10.100.0.5")},
		{Site: "dc2", Namespace: "a", Name: "both", Addresses: addr("10.101.0.5"), Endpoints: []Endpoint{{Address: netip.MustParseAddr("10.201.0.5")}}},
		{Site: "dc3", Namespace: "a", Name: "far", Addresses: append(addr("10.102.0.6"), addr("fd00::6")...), Ports: []Port{{Name: "cql", Number: 9042}, {Number: 1}}},
		{Site: "dc2", Namespace: "dc2-only", Name: "db", Ports: []Port{{Name: "cql", Number: 80}}, Endpoints: []Endpoint{
			{Hostname: "db-0", Address: netip.MustParseAddr("10.201.0.9"), Ports: []Port{{Name: "cql", Number: 8080}}}, {Address: netip.MustParseAddr("10.201.0.10")}}},
	}
	kubernetai := federation(3)
	ignoring, stubs, inTree, six := federation(3), federation(3), federation(3), federation(3)
	six.Sites[2].Services = append(six.Sites[2].Services, netip.MustParsePrefix("fd00::/108"))
	ignoring.IgnoreEmpty = true
	stubs.Plugin, inTree.Plugin = StubZones, Multicluster
	for name, c := range map[string]struct {
		f      Federation
		unread []geored.SiteName
		own    geored.SiteName
		name   string
		want   string
	}{
		"own API in dc1":       {f: kubernetai, own: "dc1", name: "kubernetes.default.svc.cluster.local.", want: "own-api A NOERROR 10.100.0.1 dc1"},
		"own API in dc2":       {f: kubernetai, own: "dc2", name: "kubernetes.default.svc.cluster.local.", want: "own-api A NOERROR 10.101.0.1 dc2"},
		"both in dc1":          {f: kubernetai, own: "dc1", name: "both.a.svc.cluster.local.", want: "both A NOERROR 10.100.0.5 dc1"},
		"both in dc2":          {f: kubernetai, own: "dc2", name: "both.a.svc.cluster.local.", want: "both A NOERROR 10.101.0.5 dc2"},
		"both, seen from dc3":  {f: kubernetai, own: "dc3", name: "both.a.svc.cluster.local.", want: "remote-only A NOERROR 10.100.0.5 dc1"},
		"empty falls through":  {f: ignoring, own: "dc1", name: "both.a.svc.cluster.local.", want: "both A NOERROR 10.101.0.5 dc2"},
		"two families":         {f: kubernetai, own: "dc3", name: "far.a.svc.cluster.local.", want: "local-only A NOERROR 10.102.0.6 dc3; local-only AAAA NOERROR fd00::6 dc3"},
		"neither":              {f: kubernetai, own: "dc3", name: "georedkit-no-such-name.default.svc.cluster.local.", want: "neither A NXDOMAIN"},
		"neither, who knows":   {f: kubernetai, unread: []geored.SiteName{"dc2"}, own: "dc3", name: "georedkit-no-such-name.default.svc.cluster.local.", want: "unsure"},
		"own, others unread":   {f: kubernetai, unread: []geored.SiteName{"dc2"}, own: "dc1", name: "both.a.svc.cluster.local.", want: "both A NOERROR 10.100.0.5 dc1"},
		"unread comes first":   {f: kubernetai, unread: []geored.SiteName{"dc1"}, own: "dc3", name: "both.a.svc.cluster.local.", want: "unsure"},
		"headless":             {f: kubernetai, own: "dc1", name: "db.dc2-only.svc.cluster.local.", want: "headless A NOERROR 10.201.0.10,10.201.0.9 dc2"},
		"pod with a hostname":  {f: kubernetai, own: "dc1", name: "db-0.db.dc2-only.svc.cluster.local.", want: "headless A NOERROR 10.201.0.9 dc2"},
		"pod without":          {f: kubernetai, own: "dc1", name: "10-201-0-10.db.dc2-only.svc.cluster.local.", want: "headless A NOERROR 10.201.0.10 dc2"},
		"srv":                  {f: kubernetai, own: "dc1", name: "_cql._tcp.far.a.svc.cluster.local.", want: "srv SRV NOERROR 9042 far.a.svc.cluster.local. dc3"},
		"srv, headless":        {f: kubernetai, own: "dc1", name: "_cql._tcp.db.dc2-only.svc.cluster.local.", want: "srv SRV NOERROR 80 10-201-0-10.db.dc2-only.svc.cluster.local.,8080 db-0.db.dc2-only.svc.cluster.local. dc2"},
		"ptr of a node":        {f: kubernetai, own: "dc2", name: "1.2.168.192.in-addr.arpa.", want: ""},
		"ptr":                  {f: kubernetai, own: "dc1", name: "6.0.102.10.in-addr.arpa.", want: "ptr PTR NOERROR far.a.svc.cluster.local. dc3"},
		"ptr of a pod":         {f: kubernetai, own: "dc1", name: "9.0.201.10.in-addr.arpa.", want: "ptr PTR NOERROR db-0.db.dc2-only.svc.cluster.local. dc2"},
		"ptr, six":             {f: six, own: "dc1", name: "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", want: "ptr PTR NOERROR far.a.svc.cluster.local. dc3"},
		"ptr out of range":     {f: kubernetai, own: "dc1", name: "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", want: ""},
		"stub zone":            {f: stubs, own: "dc1", name: "db.dc2-only.svc.cluster.local.", want: "headless A NOERROR 10.201.0.10,10.201.0.9 dc2"},
		"outside stub zones":   {f: stubs, own: "dc1", name: "far.a.svc.cluster.local.", want: "remote-only A NXDOMAIN; remote-only AAAA NXDOMAIN"},
		"in-tree, others":      {f: inTree, own: "dc1", name: "far.a.svc.cluster.local.", want: "remote-only A NXDOMAIN; remote-only AAAA NXDOMAIN"},
		"in-tree, ptr foreign": {f: inTree, own: "dc1", name: "6.0.102.10.in-addr.arpa.", want: ""},
	} {
		got := strings.Join(asked(t, c.f, Records{Services: services, Unread: c.unread}, c.own, c.name), "; ")
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestExpectOfServiceImports(t *testing.T) {
	imports := []Service{
		{Site: "dc1", Namespace: "a", Name: "db", Addresses: addr("10.150.0.1")},
		{Site: "dc1", Namespace: "a", Name: "pods", Endpoints: []Endpoint{{Address: netip.MustParseAddr("10.200.0.1")}, {Address: netip.MustParseAddr("10.201.0.1")}}},
		{Site: "dc2", Namespace: "a", Name: "db", Addresses: addr("10.151.0.1")},
	}
	inTree := federation(2)
	inTree.Plugin = Multicluster
	for name, c := range map[string]struct {
		own    geored.SiteName
		unread []geored.SiteName
		name   string
		want   string
	}{
		"dc1":          {own: "dc1", name: "db.a.svc.clusterset.local.", want: "imported A NOERROR 10.150.0.1 dc1"},
		"dc2":          {own: "dc2", name: "db.a.svc.clusterset.local.", want: "imported A NOERROR 10.151.0.1 dc2"},
		"headless":     {own: "dc1", name: "pods.a.svc.clusterset.local.", want: "imported A NOERROR 10.200.0.1,10.201.0.1 dc1"},
		"not imported": {own: "dc2", name: "pods.a.svc.clusterset.local.", want: ""},
		"nowhere":      {own: "dc2", name: "georedkit-no-such-name.default.svc.clusterset.local.", want: "imported A NXDOMAIN"},
		"unread":       {own: "dc1", unread: []geored.SiteName{"dc1"}, name: "db.a.svc.clusterset.local.", want: "unsure"},
	} {
		got := strings.Join(asked(t, inTree, Records{Imports: imports, Unread: c.unread}, c.own, c.name), "; ")
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := asked(t, federation(2), Records{Imports: imports}, "dc1", "db.a.svc.clusterset.local."); len(got) > 0 {
		t.Errorf("kubernetai has no cluster set: %q", got)
	}
	if _, err := inTree.Expect(Records{Imports: []Service{{Site: "x", Namespace: "n", Name: "s"}}}, nil); err == nil || !strings.Contains(err.Error(), "site x: service s.n") {
		t.Errorf("%v", err)
	}
}

// Every question is asked over both transports, as often as its server wants, under a target of its own.
func TestExpectAsksEveryWay(t *testing.T) {
	thrice := server("dc2")
	thrice.Times = 3
	table, err := federation(2).Expect(Records{}, []Server{server("dc1"), thrice})
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, q := range table.Questions {
		targets = append(targets, q.Target().String())
	}
	if want := 2*2 + 2*2*3; len(targets) != want {
		t.Errorf("%d questions, want %d", len(targets), want)
	}
	slices.Sort(targets)
	if n := len(slices.Compact(targets)); n != len(table.Questions) {
		t.Errorf("%d targets for %d questions", n, len(table.Questions))
	}
}

func TestExpectReportsAllFaultsAtOnce(t *testing.T) {
	_, err := federation(2).Expect(Records{Services: []Service{{Site: "x", Namespace: "n", Name: "s"}}}, []Server{{Site: "y", Name: "p"}})
	for _, part := range []string{"site x: service s.n", "site y: server p: is in no site", "site y: server p: has no address"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

func TestJudgeOfWhatIsNotInTheTable(t *testing.T) {
	table, err := federation(2).Expect(Records{}, []Server{server("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	var none geored.Answers[Answer]
	if f := table.Judge(none); f.Verdict != geored.Unknown {
		t.Errorf("judged nothing to be %s", f.Verdict)
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{"1.12.3": "1.12.3", "v1.11.3": "1.11.3", "1.15.0-rc.1": "1.15.0", "1.9.3+k3s1": "1.9.3"} {
		if v, err := ParseVersion(text); err != nil || v.String() != want {
			t.Errorf("%s: got %s %v", text, v, err)
		}
	}
	for _, text := range []string{"", "1", "1.2", "1.2.x", "1.-2.3", "1.2.3.4", "latest", "1.2.999999"} {
		if v, err := ParseVersion(text); err == nil {
			t.Errorf("%q was read as %s", text, v)
		}
	}
}

// silent is a resolver that gives no answer.
type silent struct{}

func (silent) Resolve(context.Context, Question) (Answer, error) {
	return Answer{}, errors.New("it gives no answer")
}

// always is a resolver that gives every question one answer; nil: what is wanted.
type always struct{ answer *Answer }

func (a always) Resolve(_ context.Context, q Question) (Answer, error) {
	if a.answer == nil {
		return q.Want, nil
	}
	return *a.answer, nil
}

// Names of the cluster set are right, wrong, or nobody says.
func TestImportedIsPassFailOrUnknown(t *testing.T) {
	inTree := federation(2)
	inTree.Plugin = Multicluster
	records := Records{Imports: []Service{{Site: "dc1", Namespace: "a", Name: "db", Addresses: addr("10.150.0.1")}}}
	for name, c := range map[string]struct {
		resolver Resolver
		unread   []geored.SiteName
		want     geored.Verdict
	}{
		"right":            {always{}, nil, geored.Pass},
		"wrong":            {always{&Answer{Code: "NXDOMAIN"}}, nil, geored.Fail},
		"silent":           {silent{}, nil, geored.Unknown},
		"own not read":     {always{}, []geored.SiteName{"dc1"}, geored.Unknown},
		"another not read": {always{}, []geored.SiteName{"dc2"}, geored.Unknown},
	} {
		records.Unread = c.unread
		table, err := inTree.Expect(records, []Server{server("dc1")})
		if err != nil {
			t.Fatal(err)
		}
		checks := table.Checks(c.resolver)
		i := slices.IndexFunc(checks, func(k geored.Check) bool { return k.ID == Imported.CheckID() })
		var got []geored.Verdict
		for _, f := range checks[i].Run(t.Context()) {
			got = append(got, f.Verdict)
		}
		if len(got) == 0 || geored.Join(got...) != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Where nobody could be asked, or a site's services were not read, a case is unknown and not skipped.
func TestNobodyWasAskedIsUnknown(t *testing.T) {
	services := []Service{{Site: "dc1", Namespace: "default", Name: "here", Addresses: addr("10.96.0.20")}}
	for name, c := range map[string]struct {
		records Records
		servers []Server
		want    map[Case]geored.Verdict
	}{
		"no server": {Records{Services: services}, nil, map[Case]geored.Verdict{LocalOnly: geored.Unknown, Neither: geored.Unknown}},
		"not read": {Records{Services: services, Unread: []geored.SiteName{"dc2"}}, []Server{server("dc1")},
			map[Case]geored.Verdict{RemoteOnly: geored.Unknown, Both: geored.Unknown}},
		"all read": {Records{Services: services}, []Server{server("dc1")}, map[Case]geored.Verdict{RemoteOnly: geored.Skipped}},
	} {
		table, err := federation(2).Expect(c.records, c.servers)
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range table.Checks(silent{}) {
			for k, want := range c.want {
				if check.ID != k.CheckID() {
					continue
				}
				if found := check.Run(t.Context()); len(found) != 1 || found[0].Verdict != want {
					t.Errorf("%s: %s: %+v, want %s", name, check.ID, found, want)
				}
			}
		}
	}
}
