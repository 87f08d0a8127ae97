package dnsfed

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// ServerKind is what stands at a name server's address.
type ServerKind string

// The kinds. An answer of one says nothing about another.
const (
	ServerPod     ServerKind = "pod"        // one CoreDNS pod
	ServerService ServerKind = "service"    // the Service before the pods, which picks one of them
	ServerCache   ServerKind = "node-cache" // a cache on the node, before the Service
)

// Server is a name server of a site, asked from inside that site.
type Server struct {
	Site    geored.SiteName
	Kind    ServerKind
	Name    string // of the pod, the Service, the node
	Address netip.AddrPort
	// Times is how often each question is put to it: a Service with two deployments behind it shows itself only when
	// asked more than once. Zero: once.
	Times int
}

// Case is what a question is to show.
type Case string

// The cases.
const (
	OwnAPI     Case = "own-api"     // kubernetes.default is the own API server, in every site
	LocalOnly  Case = "local-only"  // the name is in this site alone
	RemoteOnly Case = "remote-only" // the name is in other sites alone
	Both       Case = "both"        // the name is in this site and in others: this site answers
	Neither    Case = "neither"     // the name is nowhere: NXDOMAIN, at once
	Headless   Case = "headless"    // the name leads to pods
	SRV        Case = "srv"
	PTR        Case = "ptr"
	Imported   Case = "imported" // a ServiceImport's name in the cluster set's zone. Multicluster alone has it
)

// Cases are all of them, in the order of the checks.
func Cases() []Case {
	return []Case{OwnAPI, LocalOnly, RemoteOnly, Both, Neither, Headless, SRV, PTR, Imported}
}

// Cases are those that name servers of the federation can be asked for.
func (f Federation) Cases() []Case {
	return slices.DeleteFunc(Cases(), func(c Case) bool { return c == Imported && f.Plugin != Multicluster })
}

// Question is one line of a [Table]: what is asked of whom, and what must be the answer.
type Question struct {
	Server    Server
	Case      Case
	Name      string // fully qualified, with its last dot
	Type      string // A, AAAA, SRV or PTR
	Transport string // udp or tcp
	Turn      int    // from 1 to the server's Times
	Want      Answer
	From      geored.SiteName // whose records Want are; zero: nobody has the name
	// Unsure says why it cannot be told what the answer must be. Zero: it can.
	Unsure string
	others []alternative
}

// alternative is what another site would answer.
type alternative struct {
	site    geored.SiteName
	records []string
}

// Answer is what a name server said.
type Answer struct {
	Code string // NOERROR, NXDOMAIN, SERVFAIL, …
	// Records in any order: addresses, names with their last dot, of SRV "priority weight port target".
	Records []string
}

// Target is the question in the core's terms. Each question of a table has its own.
func (q Question) Target() geored.Target {
	name := fmt.Sprintf("%s %s %s %s %s", q.Server.Kind, q.Server.Name, q.Transport, q.Type, q.Name)
	if q.Server.Times > 1 {
		name += fmt.Sprintf(" #%d", q.Turn)
	}
	return geored.Target{Site: q.Server.Site, Name: name}
}

// Table is what each name must be answered by each name server.
type Table struct {
	Questions  []Question
	federation Federation
	unread     []geored.SiteName // sites whose services are not in it
}
