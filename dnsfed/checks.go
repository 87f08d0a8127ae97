package dnsfed

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// Resolver puts a question to a name server from inside the server's site, with nothing in between: no search list, no
// cache. NXDOMAIN and SERVFAIL are answers; an error means that there was none.
type Resolver interface {
	Resolve(ctx context.Context, q Question) (Answer, error)
}

var titles = map[Case]string{
	OwnAPI:     "kubernetes.default is the own API server",
	LocalOnly:  "names of this site alone are answered",
	RemoteOnly: "names of other sites alone are answered",
	Both:       "names of several sites are answered by the own one",
	Neither:    "names that nobody has are NXDOMAIN",
	Headless:   "headless services lead to their pods",
	SRV:        "SRV records lead to the services",
	PTR:        "addresses lead back to their names",
	Imported:   "names of the cluster set lead to its services",
}

// CheckID is the check that a case is asked by.
func (c Case) CheckID() geored.CheckID { return geored.CheckID("dns/" + string(c)) }

// Checks ask the whole table, one check for each case and one finding for each server. A case that the table has no
// question for is skipped; it is unknown where the records of a site are missing, or no server is named.
func (t Table) Checks(r Resolver, options ...geored.AskOption) []geored.Check {
	var checks []geored.Check
	for _, c := range t.federation.Cases() {
		checks = append(checks, geored.Check{ID: c.CheckID(), Title: titles[c], Run: func(ctx context.Context) []geored.Finding {
			return t.run(ctx, c, r, options)
		}})
	}
	return checks
}

func (t Table) run(ctx context.Context, c Case, r Resolver, options []geored.AskOption) []geored.Finding {
	var findings []geored.Finding
	for _, part := range t.perServer(c) {
		findings = append(findings, part.Ask(ctx, r, options...))
	}
	switch {
	case len(t.Questions) == 0: // every server is asked for a name that nobody has
		return []geored.Finding{{Verdict: geored.Unknown, Message: "no name server is known: nobody was asked", Remedy: "name the servers of every site"}}
	case len(t.unread) > 0 && c != OwnAPI && c != Neither: // these two ask for no service of that site, or are unsure themselves
		findings = append(findings, t.unasked())
	case len(findings) == 0:
		return []geored.Finding{{Verdict: geored.Skipped, Message: fmt.Sprintf("the records hold nothing to ask for: no name is %s", c)}}
	}
	return findings
}

// unasked tells of the sites whose services nobody was asked for.
func (t Table) unasked() geored.Finding {
	f := geored.Finding{Verdict: geored.Unknown, Message: "the services of some sites could not be read, and were not asked for"}
	for _, site := range t.unread {
		f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Site: site, Name: "services"}, Reason: "its services could not be read"})
	}
	return f
}

// perServer parts the questions of a case by their server, in the table's order.
func (t Table) perServer(c Case) []Table {
	var parts []Table
	index := map[Server]int{}
	for _, q := range t.Questions {
		if q.Case != c {
			continue
		}
		i, ok := index[q.Server]
		if !ok {
			i = len(parts)
			index[q.Server] = i
			parts = append(parts, Table{federation: t.federation})
		}
		parts[i].Questions = append(parts[i].Questions, q)
	}
	return parts
}

// Ask puts the questions of a table, all of one server, and judges the answers.
func (t Table) Ask(ctx context.Context, r Resolver, options ...geored.AskOption) geored.Finding {
	targets := make([]geored.Target, len(t.Questions))
	questions := map[geored.Target]Question{}
	for i, q := range t.Questions {
		targets[i] = q.Target()
		questions[targets[i]] = q
	}
	f := t.Judge(geored.Ask(ctx, targets, func(ctx context.Context, target geored.Target) (Answer, error) {
		return r.Resolve(ctx, questions[target])
	}, options...))
	if len(t.Questions) > 0 {
		server := t.Questions[0].Server
		f.Site = server.Site
		f.Message = fmt.Sprintf("%s %s: %s", server.Kind, server.Name, f.Message)
	}
	return f
}
