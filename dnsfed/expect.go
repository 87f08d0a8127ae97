package dnsfed

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// absent is a name that no site has.
const absent = "georedkit-no-such-name.default"

// Expect says what every server must answer for every service, over UDP and TCP, sorted by server, case and name. With
// Kubernetai the own site answers first, then the others in their order. With StubZones another site's zones are that
// site's to answer and everything else the own one's. With Multicluster each site must answer
// for the cluster domain as if it stood alone, and in the cluster set's zone for the ServiceImports that it has itself;
// single pods of headless ones are not asked for. A site of which no server is named is not asked, and nothing is said of it: name
// the servers of every site, unless one alone is to be proven. Mistakes are [geored.Faults].
func (f Federation) Expect(r Records, servers []Server) (Table, error) {
	faults := f.Faults()
	for _, s := range slices.Concat(r.Services, r.Imports) {
		if _, ok := f.Site(s.Site); !ok {
			faults = append(faults, geored.Fault{Site: s.Site, Field: "service", Value: s.key(), Problem: "is in no site of the federation"})
		}
	}
	for _, s := range servers {
		if _, ok := f.Site(s.Site); !ok {
			faults = append(faults, geored.Fault{Site: s.Site, Field: "server", Value: s.Name, Problem: "is in no site of the federation"})
		}
		if !s.Address.IsValid() {
			faults = append(faults, geored.Fault{Site: s.Site, Field: "server", Value: s.Name, Problem: "has no address"})
		}
	}
	if len(faults) > 0 {
		return Table{}, faults
	}
	t := Table{federation: f, unread: r.Unread}
	for _, server := range servers {
		e := expecter{Federation: f, own: server.Site, unread: r.Unread, services: map[string][]Service{}}
		e.read(r.Services, r.Imports)
		for _, q := range e.questions {
			for _, transport := range []string{"udp", "tcp"} {
				for turn := range max(server.Times, 1) {
					q.Server, q.Transport, q.Turn = server, transport, turn+1
					t.Questions = append(t.Questions, q)
				}
			}
		}
	}
	return t, nil
}

// expecter makes the questions of one site.
type expecter struct {
	Federation
	own       geored.SiteName
	unread    []geored.SiteName
	services  map[string][]Service
	questions []Question
}

func (e *expecter) read(services, imports []Service) {
	for _, s := range services {
		e.services[s.key()] = append(e.services[s.key()], s)
	}
	e.ownAPI()
	for _, key := range slices.Sorted(maps.Keys(e.services)) {
		if key != "kubernetes.default" {
			e.service(key)
		}
	}
	e.reverses(services)
	absentName := absent + ".svc." + e.domain() + "."
	e.ask(Neither, absentName, "A", func(Service) []string { return nil }, e.deciders(absentName), nil)
	e.imported(imports)
	slices.SortStableFunc(e.questions, func(a, b Question) int {
		return cmp.Or(cmp.Compare(slices.Index(Cases(), a.Case), slices.Index(Cases(), b.Case)),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
}

// ownAPI needs nothing but the topology: it can be told of a site that could not be read too.
func (e *expecter) ownAPI() {
	const key = "kubernetes.default"
	site, _ := e.Site(e.own)
	api := site.apiServer()
	if !api.IsValid() {
		return
	}
	q := Question{Case: OwnAPI, Name: key + ".svc." + e.domain() + ".", Type: typeOf(api), From: e.own, Want: Answer{"NOERROR", []string{api.String()}}}
	for _, other := range e.Sites {
		if a := other.apiServer(); other.Name != e.own && a.IsValid() {
			q.others = append(q.others, alternative{other.Name, []string{a.String()}})
		}
	}
	e.questions = append(e.questions, q)
}

// deciders are the sites that may answer for a name in this site, in their order.
func (e *expecter) deciders(name string) []geored.SiteName {
	if e.Plugin != Kubernetai {
		for _, site := range e.Sites {
			for _, zone := range site.Zones {
				if e.Plugin == StubZones && site.Name != e.own && inZone(name, zone) {
					return []geored.SiteName{site.Name}
				}
			}
		}
		return []geored.SiteName{e.own}
	}
	var names []geored.SiteName
	for _, site := range e.chain(e.own) {
		names = append(names, site.Name)
	}
	return names
}

// ask adds a question about a name: the first site that has it answers. A site that was not read and comes before that
// one may have it too.
func (e *expecter) ask(c Case, name, recordType string, records func(Service) []string, sites []geored.SiteName, services []Service) {
	q := Question{Case: c, Name: name, Type: recordType, Want: Answer{Code: "NXDOMAIN"}}
	for _, site := range sites {
		if slices.Contains(e.unread, site) && q.From == "" && q.Unsure == "" {
			q.Unsure = fmt.Sprintf("the services of site %s could not be read", site)
		}
		for _, s := range services {
			switch {
			case s.Site != site || !s.answers(e.IgnoreEmpty):
			case q.From == "":
				q.From, q.Want = site, Answer{"NOERROR", records(s)}
			default:
				q.others = append(q.others, alternative{site, records(s)})
			}
		}
	}
	e.questions = append(e.questions, q)
}
