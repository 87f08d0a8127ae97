package creds

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Reading is how a consumer reads its credentials. The zero value is invalid.
type Reading string

// The readings.
const (
	ReadsOnce Reading = "once" // at its start: it gets a long-lived token, and a restart when that changes
	ReadsFile Reading = "file" // again and again, by client-go's tokenFile: it gets a bound token that expires
)

// Consumer is a program in one site that asks other sites' API servers.
type Consumer struct {
	Name      string // of its own, for steps and reports: "coredns". Required
	Site      geored.SiteName
	Namespace string            // where its Secrets are. Required
	Workload  string            // what is restarted for it, as "deployment/coredns". Required when it reads once
	Reading   Reading           // Required
	MountPath string            // where its Secret is mounted. Required when it reads a file
	Sources   []geored.SiteName // whose API servers it asks. Required
	Account   Account           // the service account of every source that it uses. Required
}

// Grant is one Secret that one site receives: the access of a source's account for one consumer.
type Grant struct {
	Source   geored.SiteName
	Account  Account
	Consumer Consumer
	Secret   string // its name: that of the source, as the ICE guide, 4.3.2 names it
}

// To is the site that receives the grant.
func (g Grant) To() geored.SiteName { return g.Consumer.Site }

// String is "dc1 kube-system/coredns -> dc2 kube-system/dc1 for coredns".
func (g Grant) String() string {
	return fmt.Sprintf("%s %s -> %s %s/%s for %s", g.Source, g.Account, g.To(), g.Consumer.Namespace, g.Secret, g.Consumer.Name)
}

// Plan makes the grants of a table of consumers: one for each source that a consumer asks, sorted by source, receiver,
// namespace and consumer. Nobody receives what it does not read; the guide copies every Secret everywhere (ICE guide,
// 4.3.2). The error is geored.Faults.
func Plan(consumers []Consumer) ([]Grant, error) {
	var grants []Grant
	var faults geored.Faults
	for _, c := range consumers {
		faults = append(faults, c.faults()...)
		for _, source := range c.Sources {
			grants = append(grants, Grant{Source: source, Account: c.Account, Consumer: c, Secret: string(source)})
		}
	}
	slices.SortStableFunc(grants, compareGrants)
	return grants, append(faults, sharedFaults(grants)...).Err()
}

func compareGrants(a, b Grant) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.To(), b.To()), cmp.Compare(a.Consumer.Namespace, b.Consumer.Namespace),
		cmp.Compare(a.Consumer.Name, b.Consumer.Name))
}

func (c Consumer) faults() geored.Faults {
	var faults geored.Faults
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: c.Site, Field: "consumer " + c.Name + ": " + field, Value: value, Problem: problem, Remedy: remedy})
	}
	if !isSubdomain(c.Name) {
		fault("name", c.Name, "is no name", "write one such as coredns")
	}
	if !c.Site.IsValid() {
		fault("site", string(c.Site), "is not the name of a site", "write a DNS label")
	}
	if !isSubdomain(c.Namespace) {
		fault("namespace", c.Namespace, "is no namespace", "write that in which its Secrets are mounted")
	}
	if !isSubdomain(c.Account.Namespace) || !isSubdomain(c.Account.Name) {
		fault("account", c.Account.String(), "is no service account", "write namespace and name")
	}
	switch kind, name, ok := strings.Cut(c.Workload, "/"); {
	case c.Reading != ReadsOnce && c.Reading != ReadsFile:
		fault("reading", string(c.Reading), "is neither once nor file", "write once when in doubt: it is restarted then")
	case c.Reading == ReadsFile && !strings.HasPrefix(c.MountPath, "/"):
		fault("mountPath", c.MountPath, "is no absolute path", "write where its Secret is mounted")
	case c.Reading == ReadsOnce && (!ok || !isSubdomain(name) || !slices.Contains([]string{"deployment", "daemonset", "statefulset"}, kind)):
		fault("workload", c.Workload, "cannot be restarted", "write it as deployment/coredns")
	}
	if len(c.Sources) == 0 {
		fault("sources", "", "names none", "leave the consumer out, or name the sites whose API servers it asks")
	}
	for i, source := range c.Sources {
		switch {
		case !source.IsValid():
			fault("sources", string(source), "is not the name of a site", "write a DNS label")
		case source == c.Site:
			fault("sources", string(source), "is its own site", "leave it out: it uses its own service account there")
		case slices.Contains(c.Sources[:i], source):
			fault("sources", string(source), "stands twice", "keep one")
		}
	}
	return faults
}

// sharedFaults finds consumers that need different things under one name of a Secret.
func sharedFaults(grants []Grant) geored.Faults {
	var faults geored.Faults
	for i, g := range grants {
		for _, other := range grants[:i] {
			if other.Source != g.Source || other.To() != g.To() || other.Consumer.Namespace != g.Consumer.Namespace {
				continue
			}
			if other.Consumer.Name == g.Consumer.Name {
				faults = append(faults, geored.Fault{Site: g.To(), Field: "consumer " + g.Consumer.Name, Problem: "stands twice", Remedy: "keep one"})
			} else {
				faults = append(faults, geored.Fault{Site: g.To(), Field: "secret " + g.Consumer.Namespace + "/" + g.Secret,
					Problem: fmt.Sprintf("is that of consumer %s and of %s", other.Consumer.Name, g.Consumer.Name), Remedy: "give each a namespace of its own: shared access cannot be narrow"})
			}
		}
	}
	return faults
}

// Copy is a Secret with access to another site, as it was found in one.
type Copy struct {
	Site      geored.SiteName
	Namespace string
	Name      string
	Account   Account // what its token says of itself
}

// Surplus gives the copies that no grant explains: access that a site has and nobody there reads. The order is that of
// found.
func Surplus(grants []Grant, found []Copy) []Copy {
	var surplus []Copy
	for _, c := range found {
		explained := slices.ContainsFunc(grants, func(g Grant) bool {
			return g.To() == c.Site && g.Consumer.Namespace == c.Namespace && g.Secret == c.Name && g.Account == c.Account
		})
		if !explained {
			surplus = append(surplus, c)
		}
	}
	return surplus
}
